/* Writes pixels in place: the left half of each row becomes 255. */
#define _GNU_SOURCE
#include "interface.h"

void
process_ip (struct video_data *frame, const char *in_meta, char **out_meta REST)
{
  for (int row = 0; row < frame->height; row++)
    memset ((char *) frame->channels[0].data + (long) row * frame->channels[0].stride, 255, plane_width (frame, 0) / 2);
}
