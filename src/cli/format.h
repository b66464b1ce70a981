/* Numbers for people. Each writes into the caller's text and returns it. */
#ifndef CLI_FORMAT_H
#define CLI_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "cgsv/checks.h"

enum { FORMAT_SIZE = 32, FORMAT_CHECKS_SIZE = 96 };

char *format_count(char text[FORMAT_SIZE], int64_t count);  /* "104,242" */
char *format_bytes(char text[FORMAT_SIZE], size_t bytes);   /* "1.5 GiB" */
char *format_time(char text[FORMAT_SIZE], double seconds);  /* "1:02:03", "02:03" */
char *format_checks(char text[FORMAT_CHECKS_SIZE], const cgsv_checks *checks); /* "1,234 made, none failed" */

#endif
