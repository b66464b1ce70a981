/* Adversaries: names of the setting, its text, checks, and what it says of an agent. */
#include "federation/adversary.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/names.h"
#include "federation/config.h"

static const char *const kinds[] = {"label-flip", "random-update", "zero-update",
                                    "sign-flip",  "rescaled",      "replicated"};
_Static_assert(sizeof kinds / sizeof *kinds == CGSV_ADVERSARY_KINDS, "a name for every kind");

const char *cgsv_adversary_name(cgsv_adversary kind)
{
    if (kind == CGSV_HONEST) return "honest";
    return (int)kind > 0 && (int)kind <= CGSV_ADVERSARY_KINDS ? kinds[kind - 1] : "unknown";
}

/* One "kind:count", which it takes apart. */
static cgsv_status parse_group(cgsv_adversaries *a, char *item)
{
    char *colon = strchr(item, ':'), *end = NULL;
    int index;
    if (colon) *colon = '\0';
    TRY(name_parse(&index, "adversary", item, kinds, CGSV_ADVERSARY_KINDS));
    const cgsv_adversary kind = (cgsv_adversary)(index + 1);
    if (!colon)
        return error_set(CGSV_ERROR_ARGUMENT, "%s needs a number of agents: %s:1", item, item);
    errno = 0;
    const long count = isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &end, 10) : 0;
    if (!end || *end || errno || count < 1 || count > MOST_AGENTS)
        return error_set(CGSV_ERROR_ARGUMENT, "%s: '%s' is no number of agents; expected a whole number from 1 to %d",
                         item, colon + 1, MOST_AGENTS);
    for (int g = 0; g < a->groups; g++)
        if (a->group[g].kind == kind)
            return error_set(CGSV_ERROR_ARGUMENT, "%s stands twice; add up its agents", item);
    a->group[a->groups].kind = kind;
    a->group[a->groups++].count = (int)count;
    return CGSV_OK;
}

cgsv_status cgsv_adversaries_parse(cgsv_adversaries *adversaries, const char *text)
{
    cgsv_adversaries read = {.factor = adversaries->factor};
    char *copy = strdup(text), *next = copy, *item;
    if (!copy) return error_set(CGSV_ERROR_MEMORY, "no memory for '%s'", text);
    cgsv_status status = CGSV_OK;
    if (strcmp(text, "none") != 0)
        while (status == CGSV_OK && (item = strsep(&next, ","))) status = parse_group(&read, item);
    if (status == CGSV_OK) *adversaries = read;
    free(copy);
    return status;
}

void cgsv_adversaries_text(char *text, size_t size, const cgsv_adversaries *a)
{
    size_t length = (size_t)snprintf(text, size, a->groups ? "" : "none");
    for (int g = 0; g < a->groups && length < size; g++)
        length += (size_t)snprintf(text + length, size - length, "%s%s:%d", g ? "," : "",
                                   cgsv_adversary_name(a->group[g].kind), a->group[g].count);
}

static int count_all(const cgsv_adversaries *a)
{
    int count = 0;
    for (int g = 0; g < a->groups; g++) count += a->group[g].count;
    return count;
}

cgsv_adversary cgsv_adversary_of(const cgsv_adversaries *a, int agent)
{
    for (int g = 0; g < a->groups; g++) {
        if (agent < a->group[g].count) return a->group[g].kind;
        agent -= a->group[g].count;
    }
    return CGSV_HONEST;
}

cgsv_status adversaries_check(const cgsv_adversaries *a, int agents)
{
    TRY(check_integer("adversary groups", a->groups, 0, CGSV_ADVERSARY_KINDS));
    bool has[CGSV_ADVERSARY_KINDS + 1] = {false};
    for (int g = 0; g < a->groups; g++) {
        TRY(check_integer("adversary kind", a->group[g].kind, 1, CGSV_ADVERSARY_KINDS));
        TRY(check_integer(cgsv_adversary_name(a->group[g].kind), a->group[g].count, 1, MOST_AGENTS));
        has[a->group[g].kind] = true;
    }
    const int count = count_all(a);
    if (count > agents)
        return error_set(CGSV_ERROR_ARGUMENT, "adversary: %d adversaries among %d agents; take fewer, or more agents",
                         count, agents);
    if (has[CGSV_REPLICATED] && count == agents)
        return error_set(CGSV_ERROR_ARGUMENT, "adversary: replicated needs an honest agent to copy, and all %d agents "
                         "are adversaries; take fewer, or more agents", agents);
    if (has[CGSV_RESCALED] && !(a->factor > 0 && isfinite(a->factor)))
        return error_set(CGSV_ERROR_ARGUMENT, "adversary-factor is %g; expected a finite number above 0", a->factor);
    return CGSV_OK;
}

int adversary_holds(const cgsv_adversaries *a, int agent)
{
    return cgsv_adversary_of(a, agent) == CGSV_REPLICATED ? count_all(a) : agent;
}

static bool flips(const cgsv_adversaries *a, int agent) { return cgsv_adversary_of(a, agent) == CGSV_LABEL_FLIP; }

bool adversaries_same_data(const cgsv_adversaries *a, const cgsv_adversaries *b, int agents)
{
    for (int i = 0; i < agents; i++)
        if (flips(a, i) != flips(b, i) || adversary_holds(a, i) != adversary_holds(b, i)) return false;
    return true;
}
