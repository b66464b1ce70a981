/* Lists in one argument. As everywhere on the command line, an item is read whole. */
#include "cli/list.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "core/error.h"

enum { ITEM_LENGTH = 64 };

cgsv_status list_each(const char *text, cgsv_status (*take)(void *context, const char *item), void *context)
{
    char item[ITEM_LENGTH];
    for (const char *at = text;; at++) {
        const size_t length = strcspn(at, ",");
        if (length == 0)
            return error_set(CGSV_ERROR_ARGUMENT, "'%s' has an empty item; expected a list like 'a,b,c'", text);
        if (length >= sizeof item)
            return error_set(CGSV_ERROR_ARGUMENT, "an item of '%.40s...' is longer than %d characters", text,
                             ITEM_LENGTH - 1);
        memcpy(item, at, length);
        item[length] = '\0';
        TRY(take(context, item));
        at += length;
        if (!*at) return CGSV_OK;
    }
}

/* A number, with how it was written as a power; base 0 where it was not. */
struct number {
    int64_t value, base;
};

static bool read_digits(int64_t *value, const char **at)
{
    if (!isdigit((unsigned char)**at)) return false;
    for (*value = 0; isdigit((unsigned char)**at); ++*at)
        if (__builtin_mul_overflow(*value, 10, value) || __builtin_add_overflow(*value, **at - '0', value))
            return false;
    return true;
}

static bool raise(int64_t *value, int64_t base, int64_t exponent)
{
    *value = 1;
    if (base <= 1) *value = exponent > 0 ? base : 1;
    for (int64_t i = 0; base > 1 && i < exponent; i++)
        if (__builtin_mul_overflow(*value, base, value)) return false;
    return true;
}

static bool read_number(struct number *number, const char **at)
{
    int64_t exponent;
    *number = (struct number){0};
    if (!read_digits(&number->value, at)) return false;
    const char suffix = **at;
    if (suffix == '^') {
        ++*at;
        number->base = number->value;
        return read_digits(&exponent, at) && raise(&number->value, number->base, exponent);
    }
    if (suffix != 'k' && suffix != 'M') return true;
    ++*at;
    return !__builtin_mul_overflow(number->value, suffix == 'k' ? 1000 : 1000000, &number->value);
}

static cgsv_status add(struct number_list *list, int64_t value)
{
    if (value < list->low || value > list->high)
        return error_set(CGSV_ERROR_ARGUMENT, "%lld is out of range; it must be at least %lld and at most %lld",
                         (long long)value, (long long)list->low, (long long)list->high);
    for (int i = 0; i < list->count; i++)
        if (list->number[i] == value)
            return error_set(CGSV_ERROR_ARGUMENT, "%lld stands twice in the list", (long long)value);
    if (list->count == LIST_NUMBERS)
        return error_set(CGSV_ERROR_ARGUMENT, "more than %d numbers; take larger steps", LIST_NUMBERS);
    list->number[list->count++] = value;
    return CGSV_OK;
}

/* From first to last: by `step`, or from one power to the next where that is 0. */
static cgsv_status add_range(struct number_list *list, struct number first, struct number last, int64_t step)
{
    if (first.value > last.value)
        return error_set(CGSV_ERROR_ARGUMENT, "the range from %lld to %lld runs backwards", (long long)first.value,
                         (long long)last.value);
    for (int64_t value = first.value; value <= last.value;) {
        TRY(add(list, value));
        if (step > 0 ? __builtin_add_overflow(value, step, &value) : __builtin_mul_overflow(value, first.base, &value))
            break;
    }
    return CGSV_OK;
}

static cgsv_status not_a_number(const char *item)
{
    return error_set(CGSV_ERROR_ARGUMENT,
                     "'%s' is neither a whole number nor a range; expected for instance 7, 2^10, 5..10, 10..100:10 or "
                     "2^10..2^15", item);
}

static cgsv_status take_item(void *context, const char *item)
{
    struct number_list *list = context;
    struct number first, last, step = {0};
    const char *at = item;
    if (!read_number(&first, &at)) return not_a_number(item);
    if (!*at) return add(list, first.value);
    if (strncmp(at, "..", 2) != 0) return not_a_number(item);
    at += 2;
    if (!read_number(&last, &at)) return not_a_number(item);
    const bool powers = first.base > 1 && first.base == last.base;
    if (*at == ':') {
        at++;
        if (!read_number(&step, &at) || step.value == 0) return not_a_number(item);
    } else if (!powers) {
        step.value = 1;
    }
    return *at ? not_a_number(item) : add_range(list, first, last, step.value);
}

cgsv_status number_list_parse(struct number_list *list, const char *text)
{
    list->count = 0;
    list->text = text;
    return strcmp(text, "none") == 0 ? CGSV_OK : list_each(text, take_item, list);
}
