"""Trains the face detector on composed scenes; resumes from its last checkpoint.

Negatives are drawn by how badly the net of the moment judges them: after each round it scores every photo without a
face that it may train on, and the worst come up more often.
"""

import argparse
import json
import math
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import detector_net
import scenes
import shipped
from common import ROOT, WORK, device, seed_everything
from detector_net import HEIGHT, RANGES, STRIDES, UNITS, WIDTH


def normalise(batch: np.ndarray) -> torch.Tensor:
    x = torch.from_numpy(batch).permute(0, 3, 1, 2).float()
    return ((x - detector_net.MEAN) / detector_net.STD).contiguous(memory_format=torch.channels_last)


def targets(all_faces: list) -> list[torch.Tensor]:
    """Per level `[N, 17, H, W]`: positive, landmarks known, four sides, ten landmark offsets, ignore."""
    maps = [np.zeros((len(all_faces), 17, HEIGHT // s if s < 32 else 8, WIDTH // s), np.float32) for s in STRIDES]
    for n, faces in enumerate(all_faces):
        for box, points in faces:
            height = box[3] - box[1]
            centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            for level, (stride, unit, (low, high)) in zip(maps, zip(STRIDES, UNITS, RANGES)):
                rows, columns = level.shape[2:]
                ys, xs = np.mgrid[0:rows, 0:columns]
                dx, dy = (xs + 0.5) * stride - centre[0], (ys + 0.5) * stride - centre[1]
                radius = max(0.75 * stride, 0.13 * height)
                near = (np.abs(dx) <= radius) & (np.abs(dy) <= radius)
                inside = (np.abs(dx) < 0.3 * height) & (np.abs(dy) < 0.35 * height)
                level[n, 16][inside & ~near] = 1
                if not low <= height <= high:
                    # Another level answers for this face; this one neither learns nor forgets it, if it is close in size.
                    if low * 0.6 <= height <= high * 1.6:
                        level[n, 16][near] = 1
                    continue
                y, x = np.nonzero(near)
                level[n, 0, y, x] = 1
                level[n, 16, y, x] = 0
                level[n, 1, y, x] = points is not None
                cx, cy = (x + 0.5) * stride, (y + 0.5) * stride
                level[n, 2, y, x], level[n, 3, y, x] = (cx - box[0]) / unit, (cy - box[1]) / unit
                level[n, 4, y, x], level[n, 5, y, x] = (box[2] - cx) / unit, (box[3] - cy) / unit
                if points is not None:
                    for k, (px, py) in enumerate(points):
                        level[n, 6 + 2 * k, y, x], level[n, 7 + 2 * k, y, x] = (px - cx) / unit, (py - cy) / unit
    return [torch.from_numpy(m) for m in maps]


def loss_of(outputs, wanted) -> tuple[torch.Tensor, dict]:
    """Focal loss on the score, IoU loss on the box, smooth L1 on the landmarks relative to the face's height."""
    focal = box_loss = point_loss = 0.0
    positives = sum(float(w[:, 0].sum()) for w in wanted) + 1
    known = sum(float(w[:, 1].sum()) for w in wanted) + 1
    for out, want in zip(outputs, wanted):
        label, ignore = want[:, 0], want[:, 16]
        p = torch.sigmoid(out[:, 0])
        cross = F.binary_cross_entropy_with_logits(out[:, 0], label, reduction="none")
        miss = torch.where(label > 0.5, 1 - p, p)
        weight = torch.where(label > 0.5, 0.4, 0.6)
        focal = focal + (weight * miss**2 * cross * (1 - ignore)).sum()
        n, y, x = (label > 0.5).nonzero(as_tuple=True)
        if len(n) == 0:
            continue
        a, b = out[n, 1:5, y, x].clamp(min=0.01), want[n, 2:6, y, x]
        inner = (torch.min(a[:, 0], b[:, 0]) + torch.min(a[:, 2], b[:, 2])) * (torch.min(a[:, 1], b[:, 1]) + torch.min(a[:, 3], b[:, 3]))
        area = lambda s: (s[:, 0] + s[:, 2]) * (s[:, 1] + s[:, 3])
        hull = (torch.max(a[:, 0], b[:, 0]) + torch.max(a[:, 2], b[:, 2])) * (torch.max(a[:, 1], b[:, 1]) + torch.max(a[:, 3], b[:, 3]))
        union = area(a) + area(b) - inner
        giou = inner / union - (hull - union) / hull
        box_loss = box_loss + (1 - giou).sum() + 0.3 * F.smooth_l1_loss(out[n, 1:5, y, x], b, reduction="sum", beta=0.1)
        height = (b[:, 1] + b[:, 3])[:, None]
        error = (out[n, 5:15, y, x] - want[n, 6:16, y, x]) / height
        point_loss = point_loss + (F.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=0.01).mean(1) * want[n, 1, y, x]).sum()
    focal, box_loss, point_loss = focal / positives, box_loss / positives, point_loss / known
    return focal + box_loss + 8.0 * point_loss, {"score": float(focal.detach()), "box": float(torch.as_tensor(box_loss).detach()), "points": float(torch.as_tensor(point_loss).detach())}


def letterbox(image: np.ndarray) -> tuple[np.ndarray, float]:
    """The picture in the net's 320x240, and the factor from its pixels to the net's; the rest is mid-grey."""
    import cv2

    height, width = image.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height)
    w, h = max(1, round(width * scale)), max(1, round(height * scale))
    canvas = np.full((HEIGHT, WIDTH, 3), 127, np.uint8)
    canvas[:h, :w] = cv2.resize(image, (w, h), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return canvas, scale


@torch.no_grad()
def faces_in(model, images: list[np.ndarray], threshold: float) -> list[list]:
    model.eval()
    results = []
    for start in range(0, len(images), 32):
        boxed = [letterbox(i) for i in images[start : start + 32]]
        outputs = [o.cpu() for o in model(normalise(np.stack([b[0] for b in boxed])).to(device()))]
        for k, (_, scale) in enumerate(boxed):
            found = detector_net.decode([o[k] for o in outputs], threshold)
            results.append([(s, [v / scale for v in box], [[x / scale, y / scale] for x, y in points]) for s, box, points in found])
    return results


def judge(model, material, session) -> dict:
    """Figures on what training never saw, and the score at which 99.8 % of the photos without a face stay silent."""
    photos = [scenes.read(p) for p in material.held_faces]
    boxes = [scenes.teacher_faces(session, p)[0][1] for p in photos]
    found = faces_in(model, photos, 0.05)
    hits = [max([s for s, b, _ in f if detector_net.iou(b, box) >= 0.5], default=0.0) for f, box in zip(found, boxes)]
    top = lambda paths: np.array([f[0][0] if f else 0.0 for f in faces_in(model, [scenes.read(p) for p in paths], 0.05)])
    empty, objects = top(material.held_empty), top(material.held_objects)
    result = {"faces": len(hits), "empty": len(empty), "objects": len(objects)}
    for t in (0.3, 0.4, 0.5, 0.6, 0.7, 0.8):
        result[f"at {t}"] = [round(float(np.mean(np.array(hits) >= t)), 4), round(float(np.mean(empty >= t)), 4), round(float(np.mean(objects >= t)), 4)]
    return result


def hardness(model, material) -> np.ndarray:
    """How often to draw each photo without a face: by the best score the net gives it."""
    best = [f[0][0] if f else 0.0 for f in faces_in(model, material.empty + material.objects, 0.05)]
    weight = 0.01 + np.array(best) ** 1.5
    return weight / weight.sum()


class Stream(torch.utils.data.IterableDataset):
    def __init__(self, material, seed: int, steps: int, batch: int, hard):
        self.material, self.seed, self.steps, self.batch, self.hard = material, seed, steps, batch, hard

    def __iter__(self):
        rng = np.random.default_rng(self.seed)
        for _ in range(self.steps):
            made = [scenes.example(self.material, rng, self.hard) for _ in range(self.batch)]
            yield np.stack([m[0] for m in made]), targets([m[1] for m in made])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=13)
    parser.add_argument("--steps", type=int, default=200, help="steps a round")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--start", action="store_true", help="start from models/face-detector.onnx instead of from scratch")
    parser.add_argument("--threads", type=int, default=0)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    seed_everything(3)
    material = scenes.Material()
    session = scenes.teacher_session()
    where = device()
    model = detector_net.DetectorNet().to(where).to(memory_format=torch.channels_last)
    print(f"detector: {sum(p.numel() for p in model.parameters()):,} parameters; {len(material.faces)} photos with a face, "
          f"{len(material.empty)} + {len(material.objects)} without, {len(material.chips)} chips", flush=True)
    half = where.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    if args.start:
        rng = np.random.default_rng(7)
        batch = normalise(np.stack([scenes.example(material, rng, None)[0] for _ in range(64)])).to(where)
        shipped.load(model, shipped.convolutions(nn.ModuleList([model.level8, model.heads[0], model.level16, model.heads[1], model.level32, model.heads[2]])),
                     ROOT / "models" / "face-detector.onnx", batch)
    averaged = {k: v.clone() for k, v in model.state_dict().items()}
    optimiser = torch.optim.AdamW(model.parameters(), lr=args.rate, weight_decay=0.01)
    checkpoint = WORK / "detector.pt"
    first = 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, map_location=where)
        if state["round"] >= args.rounds:
            print(f"detector: finished before; delete {checkpoint} to train again")
            return
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        averaged, first = state["averaged"], state["round"]
    hard = None
    total = args.rounds * args.steps
    for round_ in range(first, args.rounds):
        started = time.time()
        if round_ >= 3:
            current = {k: v.clone() for k, v in model.state_dict().items()}
            model.load_state_dict(averaged)
            hard = hardness(model, material)
            model.load_state_dict(current)
        model.train()
        parts: dict = {}
        stream = torch.utils.data.DataLoader(Stream(material, 1000 + round_, args.steps, args.batch, hard), batch_size=None, num_workers=1, prefetch_factor=4)
        for step, (pixels, wanted) in enumerate(stream):
            at = round_ * args.steps + step
            rate = args.rate * min(1.0, (at + 1) / 150) * (0.5 + 0.5 * math.cos(math.pi * at / total))
            for group in optimiser.param_groups:
                group["lr"] = float(max(rate, args.rate * 0.01))
            pixels = pixels.numpy() if isinstance(pixels, torch.Tensor) else pixels
            with torch.autocast(where.type, dtype=torch.bfloat16, enabled=half):
                outputs = [o.float() for o in model(normalise(pixels).to(where))]
            loss, values = loss_of(outputs, [w.to(where) for w in wanted])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 3.0)
            optimiser.step()
            for key, value in values.items():
                parts[key] = parts.get(key, 0.0) + value / args.steps
            keep = min(0.997, (at + 1) / (at + 60))
            with torch.no_grad():
                for key, value in model.state_dict().items():
                    averaged[key].lerp_(value, 1 - keep) if value.is_floating_point() else averaged[key].copy_(value)
        torch.save({"model": model.state_dict(), "averaged": averaged, "optimiser": optimiser.state_dict(), "round": round_ + 1}, checkpoint)
        line = f"detector round {round_ + 1}/{args.rounds} {time.time() - started:.0f} s " + " ".join(f"{k} {v:.4f}" for k, v in parts.items())
        if round_ % 4 == 3 or round_ + 1 == args.rounds:
            current = {k: v.clone() for k, v in model.state_dict().items()}
            model.load_state_dict(averaged)
            line += " " + json.dumps(judge(model, material, session))
            model.load_state_dict(current)
        print(line, flush=True)


if __name__ == "__main__":
    main()
