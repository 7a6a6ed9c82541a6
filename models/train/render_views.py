"""Renders all that `train_age.py` learns from, on all cores: views in bad light, blended faces, and the teacher's look at the plain faces.

Goes on where it was stopped. A view of all faces costs seven minutes of one core, most of it the teacher's.
"""

import argparse
import multiprocessing
import os

import cv2
import torch

import blends
import views

PLAIN = -1
# Views of each face, and blends that begin with it, unless others are asked for.
RENDERED = (3, 7)
faces: views.Faces


def render(number: int) -> None:
    """Renders a view or a set of blends, or asks about the plain faces."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if number == PLAIN:
        views.look_at_plain(faces)
    else:
        views.write(number, len(faces), (views if number < views.VIEWS else blends).drawer(number, faces))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--views", type=int, default=RENDERED[0], help=f"at most {views.VIEWS}")
    parser.add_argument("--blends", type=int, default=RENDERED[1], help=f"at most {views.BLENDS}")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    args = parser.parse_args()
    if not (1 <= args.views <= views.VIEWS and 1 <= args.blends <= views.BLENDS):
        parser.error(f"from 1 to {views.VIEWS} views and from 1 to {views.BLENDS} blends")
    global faces
    faces = views.Faces()  # before the processes are forked, which share it
    numbers = [*range(args.views), *range(views.VIEWS, views.VIEWS + args.blends), PLAIN]
    with multiprocessing.get_context("fork").Pool(args.processes) as pool:
        pool.map(render, numbers, chunksize=1)


if __name__ == "__main__":
    main()
