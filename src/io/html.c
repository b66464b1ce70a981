/* Pieces of HTML and SVG. */
#include "io/html.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define MINUS "−"
#define DASH "–"
#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

enum { ITEMS_SHOWN = 24 }; /* of an array or an object */

/* Length of the valid UTF-8 sequence at `at` (RFC 3629), 0 where there is none. */
static int sequence(const unsigned char *at)
{
    const int length = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    for (int i = 1; i < length; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] >= 0xa0)) return 0; /* overlong, surrogates */
    if ((at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90)) return 0; /* overlong, past U+10FFFF */
    if (at[0] == 0xef && at[1] == 0xbf && at[2] >= 0xbe) return 0;                     /* U+FFFE, U+FFFF: no XML */
    return length;
}

static int is_control(const unsigned char *at)
{
    return (at[0] < 0x20 && at[0] != '\n' && at[0] != '\t') || at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0);
}

/* One character, and how many bytes it has. */
static int put_character(FILE *to, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    const int length = sequence(at);
    if (length == 0 || is_control(at))
        fputs(REPLACEMENT, to);
    else if (*at == '&')
        fputs("&amp;", to);
    else if (*at == '<')
        fputs("&lt;", to);
    else if (*at == '>')
        fputs("&gt;", to);
    else if (*at == '"')
        fputs("&quot;", to);
    else if (*at == '\'')
        fputs("&#39;", to);
    else
        fwrite(at, 1, (size_t)length, to);
    return length ? length : 1;
}

void html_text(FILE *to, const char *text)
{
    while (*text) text += put_character(to, text);
}

/* A number's text with a typographic minus, which is as wide as a plus. */
static void put_signed(FILE *to, const char *text)
{
    for (; *text; text++)
        if (*text == '-')
            fputs(MINUS, to);
        else
            fputc(*text, to);
}

void html_number(FILE *to, double value, int digits)
{
    char text[64];
    snprintf(text, sizeof text, "%.*g", digits, value == 0 ? 0 : value); /* no −0 */
    put_signed(to, isfinite(value) ? text : DASH);
}

void html_decimals(FILE *to, double value, int decimals)
{
    char text[400];
    snprintf(text, sizeof text, "%.*f", decimals, value);
    if (strspn(text, "-0.") == strlen(text)) snprintf(text, sizeof text, "%.*f", decimals, 0.0);
    put_signed(to, isfinite(value) ? text : DASH);
}

void html_count(FILE *to, double value)
{
    char digits[400];
    if (!isfinite(value) || value < 0) {
        html_number(to, value, 9);
        return;
    }
    const int length = snprintf(digits, sizeof digits, "%.0f", value);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) fputc(',', to);
        fputc(digits[i], to);
    }
}

void html_json(FILE *to, const cJSON *value)
{
    int shown = 0;
    const cJSON *item;
    if (cJSON_IsString(value)) {
        html_text(to, value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        const bool whole = value->valuedouble == floor(value->valuedouble) && fabs(value->valuedouble) < 0x1p53;
        html_number(to, value->valuedouble, whole ? 17 : 9);
    } else if (cJSON_IsBool(value)) {
        fputs(cJSON_IsTrue(value) ? "yes" : "no", to);
    } else if (cJSON_IsArray(value) || cJSON_IsObject(value)) {
        cJSON_ArrayForEach(item, value) {
            if (shown > 0) fputs(", ", to);
            if (shown++ == ITEMS_SHOWN) {
                fputs("…", to);
                break;
            }
            if (item->string) html_text(to, item->string);
            if (item->string) fputs(": ", to);
            html_json(to, item);
        }
    } else {
        fputs(DASH, to);
    }
}

/* In single quotes unless plain; a quote within ends them, stands escaped, and opens them again. */
static void put_word(FILE *to, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
    if (*word && strspn(word, plain) == strlen(word)) {
        html_text(to, word);
        return;
    }
    fputs("&#39;", to);
    while (*word) {
        if (*word == '\'') fputs("&#39;\\&#39;", to);
        word += put_character(to, word);
    }
    fputs("&#39;", to);
}

void html_command(FILE *to, const cJSON *words)
{
    const cJSON *word;
    cJSON_ArrayForEach(word, words) {
        if (word != words->child) fputc(' ', to);
        put_word(to, cJSON_IsString(word) ? word->valuestring : "");
    }
}
