/* SIGINT and SIGTERM as a request to stop at the next good place; a second one stops at once. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <stdbool.h>

/* From now on, and until signals_release, the first of them is only noted. One that is ignored stays so. */
void signals_watch(void);
void signals_release(void);

/* Whether one has come. */
bool signals_asked(void);

#endif
