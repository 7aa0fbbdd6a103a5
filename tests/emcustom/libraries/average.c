/* Reads pixels: the average of all bytes, and of each plane, of RGBA and I420. */
#define _GNU_SOURCE
#include "interface.h"

void
process_ip (struct video_data *frame, const char *in_meta, char **out_meta REST)
{
  double sums[3] = { 0 };
  long counts[3] = { 0 };
  for (int plane = 0; plane < 3 && frame->channels[plane].data; plane++)
    for (int row = 0; row < plane_height (frame, plane); row++) {
      const uint8_t *pixels = (uint8_t *) frame->channels[plane].data + (long) row * frame->channels[plane].stride;
      for (int column = 0; column < plane_width (frame, plane); column++, counts[plane]++)
        sums[plane] += pixels[column];
    }
  *out_meta = text ("{\"frame\": [{\"meta\": {\"width\": %d, \"height\": %d, \"format\": %d, \"planes\": [%.3f, %.3f, %.3f]}}]}",
      frame->width, frame->height, frame->video_format, sums[0] / counts[0], counts[1] ? sums[1] / counts[1] : 0,
      counts[2] ? sums[2] / counts[2] : 0);
}
