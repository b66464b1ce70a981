/* Fair collaborative machine learning with the cosine gradient Shapley value. */
#ifndef CGSV_H
#define CGSV_H

#include "cgsv/adversary.h"
#include "cgsv/checkpoint.h"
#include "cgsv/checks.h"
#include "cgsv/dataset.h"
#include "cgsv/device.h"
#include "cgsv/federation.h"
#include "cgsv/fleet.h"
#include "cgsv/scheme.h"
#include "cgsv/server.h"
#include "cgsv/status.h"
#include "cgsv/storage.h"
#include "cgsv/study.h"
#include "cgsv/valuation.h"

#endif
