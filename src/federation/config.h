#ifndef FEDERATION_CONFIG_H
#define FEDERATION_CONFIG_H

#include "cgsv/federation.h"

enum { MOST_AGENTS = 10000 };

/* CGSV_ERROR_ARGUMENT, with name, value and range, for a setting that is out of range. */
cgsv_status config_check(const cgsv_config *config);
cgsv_status check_mechanism(double gamma, double alpha, double beta);
cgsv_status scheme_check(const cgsv_scheme *scheme, int agents);

/* Between low and high; the ends themselves when their flag is set. NaN never passes. */
cgsv_status check_real(const char *name, double value, double low, bool with_low, double high, bool with_high);
cgsv_status check_integer(const char *name, long long value, long long least, long long most);

#endif
