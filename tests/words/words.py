"""`make words`: word errors, missed speech and hallucinated words of Steno and two peers over real recordings.

Called by run.sh. Prints tables in Markdown; writes what every system said, with its scores, as JSON.
"""

import argparse
import dataclasses
import datetime
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))

import report
from material import ROOT, SETS, read_items
from peer_home import load_normalisers, unpack_model
from score import score
from systems import FasterWhisper, Steno, WhisperAlone

PEERS = [WhisperAlone.name, FasterWhisper.name]


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tests/words/run.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--steno-only", action="store_true", help="leave both peers out")
    parser.add_argument("--without", action="append", default=[], choices=PEERS, help="leave this peer out")
    parser.add_argument("--set", action="append", choices=SETS, help="only this set; may be repeated")
    parser.add_argument("--filter", default="", help="only recordings whose name, condition or note match this pattern")
    parser.add_argument("--half", choices=["a", "b"], help="only the half to tune on (a) or to judge on (b)")
    parser.add_argument("--compare", type=pathlib.Path, help="JSON of an earlier run: list the recordings that changed")
    parser.add_argument("--out", type=pathlib.Path, help="where the JSON goes (default: target/words/TIME.json)")
    parser.add_argument("--check", action="store_true", help="fail where Steno is beyond bounds.tsv (whole sets only)")
    parser.add_argument("--texts", action="store_true", help="print what was said and heard, for every error")
    parser.add_argument("--home", type=pathlib.Path, default=ROOT / "target/words", help="where answers are kept")
    parser.add_argument("--peer-home", type=pathlib.Path, default=ROOT / "target/bench", help="where the peer lives")
    parser.add_argument("--driver", default=str(ROOT / "target/debug/examples/words"), help="the Rust driver")
    return parser.parse_args()


def chosen(items, arguments):
    def wanted(item):
        text = f"{item.id} {item.condition} {item.expectation} {item.language}"
        return (
            (not arguments.set or item.set in arguments.set)
            and re.search(arguments.filter, text, re.IGNORECASE)
            and arguments.half in (None, item.half)
        )

    return [item for item in items if wanted(item)]


def with_length(item):
    """Returns the duration, which the manifest of the fixtures does not have."""
    if item.set == "fixtures":
        import av

        with av.open(str(item.path)) as container:
            item.seconds = (container.duration or 0) / av.time_base
    return item


def main():
    arguments = parse_arguments()
    normalisers = load_normalisers(arguments.peer_home)
    items = [with_length(item) for item in chosen(read_items(), arguments)]
    if not items:
        sys.exit("words: no recording matches")

    systems = [Steno(arguments.driver)]
    without = PEERS if arguments.steno_only else arguments.without
    if WhisperAlone.name not in without:
        systems.append(WhisperAlone(arguments.home, arguments.driver))
    if FasterWhisper.name not in without:
        systems.append(FasterWhisper(arguments.home, unpack_model(arguments.peer_home)))

    # The peers first: theirs are kept, should Steno fail.
    answers = {system.name: system.transcribe(items) for system in reversed(systems)}
    answers = {system.name: answers[system.name] for system in systems}
    scores = {
        name: {item.id: score(item, found[item.id], normalisers) for item in items} for name, found in answers.items()
    }

    print(report.tables(items, answers, scores))
    if arguments.texts:
        print(report.texts(items, scores, normalisers))
    if arguments.compare:
        print(report.comparison(items, scores["steno"], json.loads(arguments.compare.read_text())))
    cost = systems[0].cost
    print(f"\nSteno took {cost['wall_s']} s ({cost['worker_cpu_s']} s of worker, {cost['decoder_cpu_s']} s of decoder)")

    out = arguments.out or arguments.home / f"{datetime.datetime.now():%Y-%m-%dT%H-%M-%S}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(dump(items, answers, scores, cost), ensure_ascii=False, indent=1))
    print(f"Everything that was said: {out}")

    if arguments.check:
        broken = report.beyond_bounds(items, answers, scores, pathlib.Path(__file__).with_name("bounds.tsv"))
        if broken:
            sys.exit("words: " + "; ".join(broken))


def dump(items, answers, scores, cost):
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT).stdout.strip()
    files = {
        item.id: {
            "condition": item.condition,
            "half": item.half,
            "seconds": item.seconds,
            "reference": item.reference,
            "systems": {
                name: {**answers[name][item.id], **dataclasses.asdict(scores[name][item.id])} for name in answers
            },
        }
        for item in items
    }
    return {"commit": commit, "cost": cost, "files": files}


main()
