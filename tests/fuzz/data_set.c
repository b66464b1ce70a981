#include "data_set.h"

#include "fuzz.h"

const char *data_set_folder(const struct data_set_file *good, int count, const uint8_t *data, size_t size)
{
    static struct fuzz_file files[DATA_SET_FILES];
    static const char *folder, *names[DATA_SET_FILES];
    static int replaced;
    if (size == 0) return NULL;
    if (!folder) {
        for (int i = 0; i < count; i++) {
            names[i] = good[i].name;
            fuzz_file_set(&files[i], good[i].bytes, good[i].size, "", 0);
        }
        folder = fuzz_folder(files, names, count);
    }
    fuzz_file_set(&files[replaced], good[replaced].bytes, good[replaced].size, "", 0);
    replaced = data[0] % count;
    fuzz_file_set(&files[replaced], data + 1, size - 1, "", 0);
    return folder;
}
