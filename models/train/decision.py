"""The shipped policies at the decision, by age, gender and ethnicity, as their own files have it: tables for the model card."""

import math
import tomllib

from common import ROOT

POLICIES = {"strict": "policy-strict", "balanced": "policy", "fast": "policy-fast"}


def evidence() -> dict[str, dict]:
    return {name: tomllib.loads((ROOT / "models" / f"{stem}.toml").read_text())["evidence"] for name, stem in POLICIES.items()}


def _let_in(group: dict | None) -> str:
    if group is None or "false_accept" not in group:
        return "-"
    return f"{100 * group['false_accept']:.1f} % of {group['minors']}, at most {math.ceil(1000 * group['false_accept_high']) / 10:.1f}"


def _asked(group: dict | None) -> str:
    if group is None or "false_reject" not in group:
        return "-"
    older = f"{100 * group['false_reject_over_challenge']:.0f}" if "false_reject_over_challenge" in group else "-"
    return f"{100 * group['false_reject']:.0f} % ({older})"


def _by_age(rows: list[dict], ages: str) -> dict | None:
    return next((row for row in rows if row["ages"] == ages), None)


def table() -> str:
    """A row for each band and each group, and for each policy who is let in, who is asked, and what is refused."""
    found = evidence()
    first = next(iter(found.values()))
    heads = [f"{name}: {what}" for name in found for what in ("let in", "adults asked")]
    lines = [f"| | {' | '.join(heads)} | views refused (in half the light) |", "|---" * (len(heads) + 2) + "|"]
    share = lambda row: f"{100 * row['share']:.1f} % of {row['people']}, at most {math.ceil(1000 * row['high']) / 10:.1f}" if row else "-"
    refused = {g["name"]: f"{100 * g['views_refused']:.1f} % ({100 * g['views_refused_half_light']:.1f})" for g in first["groups"]}
    for band in first["minors_by_age"]:
        cells = [cell for e in found.values() for cell in (share(_by_age(e["minors_by_age"], band["ages"])), "-")]
        lines.append(f"| {band['ages']} | {' | '.join(cells)} | {refused.get(band['ages'], '-')} |")
    for band in first["adults_by_age"]:
        cells = [cell for e in found.values() for cell in ("-", share(_by_age(e["adults_by_age"], band["ages"])))]
        lines.append(f"| {band['ages']} | {' | '.join(cells)} | {refused.get(band['ages'], '-')} |")
    for group in first["groups"]:
        if group["name"][0].isdigit():
            continue  # by age it is said above
        of = lambda e: next((g for g in e["groups"] if g["name"] == group["name"]), None)
        cells = [cell for e in found.values() for cell in (_let_in(of(e)), _asked(of(e)))]
        lines.append(f"| {group['name']} | {' | '.join(cells)} | {refused[group['name']]} |")
    return "\n".join(lines)


def sources() -> str:
    """What each source adds, in words."""
    found = evidence()["balanced"]
    each = [f"{s['name']}: {_let_in(s)} let in; {s['adults']} adults, {s['adults_over_challenge']} of them of the challenge age and over, {_asked(s)} asked" for s in found["sources"]]
    return (f"The balanced policy rests on {found['minors']} people under its limit, {found['false_accept_people']} of them of 13 to 17, the rest children. By source: {'. '.join(each)}. "
            "Nobody of the portraits is let in, minor or adult, by any of the three. Nearly all of their adults are under 25 and Asian, so they raise the share of asian adults who are "
            "asked, but not the one in brackets. Whoever has pictures at several ages is in several of the bands, so these add up to a few people more than there are.")
