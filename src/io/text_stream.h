/* A text that is written as a stream, in memory. */
#ifndef IO_TEXT_STREAM_H
#define IO_TEXT_STREAM_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

struct text_stream {
    FILE *to; /* NULL without memory */
    char *text;
    size_t length; /* once it is closed */
};

/* The stream is opened in place, as it knows where its text belongs. */
static inline bool text_stream_open(struct text_stream *stream)
{
    *stream = (struct text_stream){0};
    return (stream->to = open_memstream(&stream->text, &stream->length)) != NULL;
}

/* The text, the caller's to free; NULL when memory ran out at any time. To close the stream is not
 * enough to know: that may succeed after a write has failed, and give NULL for a text. */
static inline char *text_stream_close(struct text_stream *stream)
{
    const bool failed = ferror(stream->to);
    if (fclose(stream->to) == 0 && !failed) return stream->text;
    free(stream->text);
    return NULL;
}

#endif
