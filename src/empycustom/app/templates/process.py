"""A program that plays a video through a library, and works with the result of each frame.

python my_lib.py                a test picture with a ball that moves
python my_lib.py street.mp4     a video of yours, a folder of pictures, rtsp://camera/stream, or camera
"""

import sys

import empycustom

LIMIT = 100  # frames; None: all of the video


def measure(io_buffer, in_meta, options):
    """Work as a library: called for every frame, before the program gets its result. A file, "my_lib.py", may do it."""
    with empycustom.map_frame(io_buffer, in_meta) as frame:
        return {"frame": {"brightness": frame.rgb.mean()}}


def main(video):
    """Print the time and the brightness of each frame; return the exit code."""
    try:
        # The block stops the pipeline at its end, also if the loop ends early or raises. Frames are decoded while the loop works.
        with empycustom.process(video, measure) as results:
            for result in results:
                # A result also has objects, document (all that is known of the frame, as a dict) and pixels (an array of
                # (height, width, 3), valid until the next result).
                print(f"{result.time_s:.2f} s: brightness {result.frame['emcustom']['brightness']:.1f}")
                if result.frame_num + 1 == LIMIT:
                    break
    except empycustom.EmPyCustomError as error:  # there is no such video, or a library raised: the text says which, and where
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "test"))
