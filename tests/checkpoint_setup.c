#include "checkpoint_setup.h"

#include <criterion/criterion.h>

#include "test_device.h"

void check(cgsv_status status) { cr_assert_eq(status, CGSV_OK, "%s", cgsv_last_error()); }

cgsv_device *open_device(int threads)
{
    cgsv_device *device;
    check(cgsv_device_open(&device, test_device(), threads));
    return device;
}

cgsv_dataset *load_pictures(int train, int test)
{
    cgsv_dataset *data;
    check(cgsv_dataset_load(&data, "synthetic", NULL));
    data->train.samples = train;
    data->test.samples = test;
    return data;
}

cgsv_config checkpoint_config(const char *scheme, int agents, int rounds, int local_epochs)
{
    cgsv_config c;
    cgsv_config_defaults(&c, "synthetic");
    c.model = CGSV_MODEL_MLP;
    c.agents = agents;
    c.rounds = rounds;
    c.local_epochs = local_epochs;
    c.samples_per_agent = 30;
    c.validation_samples = 30;
    c.eval_every = 2;
    check(cgsv_config_set_scheme(&c, scheme));
    return c;
}
