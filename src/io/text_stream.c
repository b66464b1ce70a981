/* In place of open_memstream(3), whose stream shows no error when memory for its text has run out:
 * in the GNU C library ferror and fclose then give 0, and the text lacks a piece. */
#include "io/text_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static bool make_room(struct text_stream *stream, size_t room)
{
    char *grown = realloc(stream->text, room);
    if (!grown) return false;
    stream->text = grown;
    stream->room = room;
    return true;
}

/* 0 tells the stream of an error. */
static ssize_t append(void *cookie, const char *bytes, size_t count)
{
    struct text_stream *stream = cookie;
    const size_t needed = stream->length + count + 1;
    if (needed > stream->room && !make_room(stream, 2 * needed)) {
        errno = ENOMEM;
        return 0;
    }
    memcpy(stream->text + stream->length, bytes, count);
    stream->length += count;
    stream->text[stream->length] = '\0';
    return (ssize_t)count;
}

bool text_stream_open(struct text_stream *stream)
{
    *stream = (struct text_stream){0};
    if (make_room(stream, 1)) {
        stream->text[0] = '\0';
        stream->to = fopencookie(stream, "w", (cookie_io_functions_t){.write = append});
    }
    if (!stream->to) free(stream->text);
    return stream->to != NULL;
}

bool text_stream_flush(struct text_stream *stream) { return fflush(stream->to) == 0 && !ferror(stream->to); }

char *text_stream_close(struct text_stream *stream)
{
    const bool complete = text_stream_flush(stream);
    fclose(stream->to);
    if (complete) return stream->text;
    free(stream->text);
    return NULL;
}
