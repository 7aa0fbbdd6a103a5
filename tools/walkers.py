"""Draw a video of people who walk over a square: ``walkers.py FILE [FRAMES [MORE]]``.

    python tools/walkers.py walkers.mp4
    empycustom run walkers.mp4 --lib examples/people.py --lib empycustom.libs.draw --save people.mp4

Nobody was filmed for it, so its pictures may be shown anywhere: docs/pictures/people.jpg is the last one that the demo leaves of
it (make demo VIDEO=walkers.mp4). With MORE frames behind that one they walk on, and pass each other in the middle.
"""

# ruff: noqa: T201 - a script prints

import sys
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

WIDTH, HEIGHT, RATE, FRAMES = 960, 540, 25, 121
FINE = 2  # everything is drawn so many times larger, for smooth edges
FOCAL, HORIZON, CAMERA_HEIGHT = 1.05 * WIDTH * FINE, 0.2 * HEIGHT * FINE, 2.75  # pixels, pixels, metres
WALL = 24  # metres away
DARK = (35, 35, 40)


@dataclass
class Walker:
    """Somebody; ``x`` is metres to the right in the last frame, ``away`` metres from the camera, colours are BGR."""

    x: float
    away: float
    speed: float  # metres a second to the right
    tall: float
    coat: tuple[int, int, int]
    trousers: tuple[int, int, int]
    hair: tuple[int, int, int]
    skin: tuple[int, int, int]


WALKERS = [  # those who are far away first
    Walker(3.78, 15.3, -1.08, 1.70, (40, 140, 200), (60, 55, 60), (60, 70, 90), (150, 180, 225)),
    Walker(-0.47, 13.7, 1.01, 1.85, (110, 70, 40), (50, 45, 45), (25, 25, 25), (90, 120, 170)),
    Walker(-4.12, 11.7, 1.2, 1.66, (130, 60, 110), (40, 40, 45), (40, 60, 110), (150, 180, 225)),
    Walker(4.52, 11.0, -1.36, 1.68, (60, 120, 60), (95, 80, 70), (50, 90, 140), (140, 170, 220)),
    Walker(-1.88, 9.1, 1.27, 1.75, (60, 60, 170), (70, 50, 40), (30, 40, 60), (150, 180, 225)),
    Walker(0.9, 8.9, -0.92, 1.75, (45, 45, 45), (120, 90, 60), (20, 25, 35), (110, 140, 190)),
]


def place(x, away, up=0.0):
    """Return where a point is in the picture; everything is in metres."""
    return np.array([WIDTH * FINE / 2 + x * FOCAL / away, HORIZON + (CAMERA_HEIGHT - up) * FOCAL / away])


def whole(point):
    """Return a point as OpenCV wants it."""
    return tuple(int(value) for value in point)


def line(picture, start, end, colour, thick):
    """Draw a line with round ends."""
    cv2.line(picture, whole(start), whole(end), colour, max(int(thick), 1), cv2.LINE_AA)


def square():
    """Draw what does not move: a wall with windows, and the paving."""
    shades = np.linspace(0.84, 1.02, HEIGHT * FINE)[:, None, None] * np.ones((1, WIDTH * FINE, 1))
    picture = (shades * (205, 200, 192)).astype(np.uint8)
    foot_of_wall = whole(place(0, WALL))[1]
    picture[:foot_of_wall] = (168, 182, 190)
    picture[foot_of_wall - 14 : foot_of_wall] = (140, 150, 158)
    for x in range(-14, 15, 4):
        corners = whole(place(x + 0.7, WALL, 4.6)), whole(place(x + 2.6, WALL, 1.4))
        cv2.rectangle(picture, *corners, (120, 112, 100), -1)
        cv2.rectangle(picture, *corners, (215, 222, 225), 6)
    for x in np.arange(-30, 30.1, 1.5):
        line(picture, place(x, WALL), place(x, 4), (186, 182, 176), 2)
    for away in np.geomspace(4.2, WALL, 16):
        line(picture, place(-40, away), place(40, away), (186, 182, 176), 2)
    return picture


def size_and_foot(who, time):
    """Return how tall somebody is in the picture, and where they stand so many seconds before the end."""
    return who.tall * FOCAL / who.away, place(who.x - who.speed * time, who.away)


def draw(picture, who, time):
    """Draw somebody as they are so many seconds before the end."""
    (tall, foot), facing = size_and_foot(who, time), np.sign(who.speed)
    stride = np.sin(who.away - time * abs(who.speed) * 2 * np.pi / 1.5)

    def at(ahead, up):
        return foot + np.array([ahead * facing, -up]) * tall

    hip, shoulder = at(0, 0.5), at(0.01, 0.79)
    for side, light in ((-1, 0.8), (1, 1.0)):  # the far side, the body, the near side
        swing = side * stride
        back = max(-swing, 0)
        knee, ankle = at(0.11 * swing + 0.02, 0.27 + 0.02 * abs(swing)), at(0.2 * swing - 0.06 * (back > 0), 0.04 + 0.035 * back)
        limb(picture, [hip, knee, ankle], [light * value for value in who.trousers], 0.085 * tall)
        line(picture, ankle, ankle + np.array([0.05 * facing, 0.015]) * tall, DARK, 0.05 * tall)
        if side > 0:
            line(picture, at(0, 0.52), shoulder, who.coat, 0.135 * tall)
            line(picture, at(-0.01, 0.8), at(0.015, 0.77), who.coat, 0.15 * tall)
        elbow, hand = at(-0.08 * swing, 0.62), at(-0.13 * swing + 0.05, 0.47)
        limb(picture, [at(0.01, 0.77), elbow, hand], [0.92 * light * value for value in who.coat], 0.06 * tall)
        cv2.circle(picture, whole(hand), int(0.025 * tall), who.skin, -1, cv2.LINE_AA)
    line(picture, at(0.01, 0.82), at(0.015, 0.87), who.skin, 0.06 * tall)
    oval(picture, at(0.02, 0.925), 0.052 * tall, 0.067 * tall, who.skin)
    oval(picture, at(0.013, 0.932), 0.056 * tall, 0.07 * tall, who.hair, (155, 330) if facing > 0 else (210, 385))


def limb(picture, joints, colour, thick):
    """Draw an arm or a leg."""
    for start, end in pairwise(joints):
        line(picture, start, end, colour, thick)


def oval(picture, middle, across, down, colour, angles=(0, 360)):
    """Draw a filled ellipse, or a piece of one."""
    cv2.ellipse(picture, whole(middle), (int(across), int(down)), 0, *angles, colour, -1, cv2.LINE_AA)


def shadows(picture, time):
    """Darken the ground beside everybody."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    for tall, foot in (size_and_foot(who, time) for who in WALKERS):
        oval(mask, foot + np.array([0.2, 0.01]) * tall, 0.32 * tall, 0.035 * tall, 255)
    picture[mask > 0] = picture[mask > 0] * 0.72


def main(path, frames=FRAMES, more=0):
    """Write the video: so many frames until all have come, and more of them behind."""
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"mp4v"), RATE, (WIDTH, HEIGHT))
    if not writer.isOpened():
        sys.exit(f"walkers: error: {path} cannot be written; it has to end in .mp4")
    ground = square()
    for left in range(int(frames) - 1, -int(more) - 1, -1):
        picture = ground.copy()
        shadows(picture, left / RATE)
        for who in WALKERS:
            draw(picture, who, left / RATE)
        writer.write(cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA))
    writer.release()
    print(f"{path} is written: {int(frames) + int(more)} frames of people who walk")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
