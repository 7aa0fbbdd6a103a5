/* Makes a new frame: every byte is 255 minus what it was. */
#define _GNU_SOURCE
#include "interface.h"

void
process (const struct video_data *frame, const char *in_meta, struct video_data *made, char **out_meta REST)
{
  for (int plane = 0; plane < 3 && frame->channels[plane].data; plane++)
    for (int row = 0; row < plane_height (frame, plane); row++) {
      const uint8_t *from = (uint8_t *) frame->channels[plane].data + (long) row * frame->channels[plane].stride;
      uint8_t *to = (uint8_t *) made->channels[plane].data + (long) row * made->channels[plane].stride;
      for (int column = 0; column < plane_width (frame, plane); column++)
        to[column] = 255 - from[column];
    }
  *out_meta = text ("{\"frame\": [{\"meta\": {\"inverted\": true, \"size\": [%d, %d, %d]}}]}", made->video_format, made->width, made->height);
}
