/* Pieces of HTML and SVG, written to a stream in memory. */
#ifndef IO_HTML_H
#define IO_HTML_H

#include <cjson/cJSON.h>
#include <stdio.h>

/* A text from anywhere, for the inside of an element or of an attribute in double quotes: the five
 * special characters are escaped; control characters, and bytes that are not UTF-8, become U+FFFD. */
void html_text(FILE *to, const char *text);

/* A number of at most `digits` significant digits with a typographic minus; a dash for what is not finite. */
void html_number(FILE *to, double value, int digits);

/* The same with a fixed number of decimals. */
void html_decimals(FILE *to, double value, int decimals);

/* "12,345" */
void html_count(FILE *to, double value);

/* A string, number, truth value or null; the first items of an array, the first members of an object. */
void html_json(FILE *to, const cJSON *value);

/* An array of strings as a shell takes it. */
void html_command(FILE *to, const cJSON *words);

#endif
