#!/usr/bin/env python3
"""A small explicit-state model checker for the prompt and token protocol of docs/events.md.  Standard library only.

    python3 protocol_model.py                  # the names of the experiments
    python3 protocol_model.py stale-zombie 60  # one or several (a,b): a shortest trace per kind of violation, at most 60 s each
    python3 protocol_model.py without-fence 60 hash       # until this violation is found
    nice -n 19 python3 protocol_model.py all 60           # every experiment, one line each

State: per generation the fold that a reader has made of the log (the log itself is the trace), per worker what it believes, the group's
owner and committed offset, the faults left.  A token is the letter of the arithmetic that computed it; an event carries the whole text its
writer holds, so 'mixture' means: a delivered token was computed from another prefix than the delivered one.  A zombie is a worker that has
not yet taken its step 'notices its loss'.  Appending a record and reading the log up to it is one step: that result cannot change later.
Breadth first, so each kind of violation comes with a shortest interleaving (a path stops at its first hard one).  Then: in every state
without a step left (faults apart) every prompt must have ended, and the steps must not go round in a circle.

Rule sets: new = docs/events.md; without-X = new less one rule; old, stale, now = earlier drafts, kept because they show how they fail
(old: the first terminal event in the order of the log counts; stale: the same, less those of older attempts; now: claims, without the rest).
"""
import sys
import time
from collections import deque

OLD = dict(reader="first", fence=False, done="ack", begin="time", stop_on_lost=False, own_check=False, reclaim=True, claim_first=False,
           alone=9, silent=False, window=False, handle=False)
NEW = dict(reader="new", fence=True, done="log", begin="least", stop_on_lost=True, own_check=True, reclaim=True, claim_first=True,
           alone=2, silent=True, window=True, handle=True)
NOW = dict(NEW, begin="first", stop_on_lost=False, reclaim=False, claim_first=False, silent=False, window=False, handle=False)
ENV = dict(gens=1, length=3, workers=2, faults=1, differ=False, groups=(1,), dup=False, cancel=False, ex_owner=False, skew=False, lose=False,
           refuse=False, poison=None, limit=4, join=False)
SOFT = {"straddle", "second run", "joiner differs", "commit before an end"}  # reported, and the path goes on
NAME = {"F": "Finished", "X": "Cancelled", "P": "Failed/POISON", "D": "Failed/DEADLINE", "S": "Started", "R": "Resumed", "C": "Claimed"}
EMPTY = ("", 0, None, 0, ())
DONE = ("d", 0, "", 0)


def read(r, f, rec):
    """One record through the reader: new fold, violations, was it taken.  Fold: delivered text, attempt, end, claims since the last token,
    gates of GenerationResumed (new: silent attempts)."""
    d, c, end, q, gates = f
    kind, a, i, full = rec
    bad, took = [], False
    if end is not None and r["reader"] == "new":
        return f, bad, False
    if r["reader"] == "new":
        if kind == "C" and a == c + 1:
            c, q, took = a, q + 1, True
        elif kind == "T" and a == c > 0 and i == len(d):
            bad += ["mixture"] * (not full.startswith(d))
            d, q, took = full, 0, True
        elif kind in "FXPD" and a == c > 0:
            bad += ["hash"] * (full != d)
            end, took = kind, True
        if r["silent"]:  # q: how many attempts in a row, up to the last, showed no sign of life (tokens or an end other than POISON, ignored ones too)
            gates = tuple(x for x in gates if kind in "CP" or x != a) + (c,) * (kind == "C" and took)
            q = next(n for n in range(c + 1) if c - n not in gates)
        return (d, c, end, q, gates), bad, took
    if end is None and kind == "R":
        gates = tuple(sorted({*gates, (i, a)}))
    elif end is None and kind == "T":
        had = len(d)
        for j in range(i, len(full)):
            if j < len(d) or any(j >= k and a < g for k, g in gates):
                continue
            if j > len(d):
                bad.append("gap")
                break
            bad += ["mixture"] * (not full.startswith(d))
            d = d + full[j]
        bad += ["straddle"] * (i < had < len(d))
    elif end is None and kind in "FXPD" and not (r["reader"] == "stale" and a < c):
        bad += ["hash"] * (full != d)
        end = kind
    return (d, max(c, a) if kind in "SR" else c, end, q, gates), bad, True


class Model:
    def __init__(self, rules, **env):
        self.e = {**ENV, **env}
        self.r = dict(rules, silent=rules["silent"] and self.e["poison"] is not None)
        self.prompts = [0, 0] if self.e["dup"] else list(range(self.e["gens"]))

    def start(self):
        e = self.e
        return ((EMPTY,) * e["gens"], (None,) * e["workers"], -1, 0, e["faults"], (1 if e["dup"] else len(self.prompts), False, None, (), 0))

    # worker: None (alive, no partition) | 'dead' | (sight: 0 has not read, else 1 + 2 * mask of generations that it reads from too late; first uncommitted prompt; commit sent;
    #         per generation (phase, attempt, text, h)); phase: r ready to claim, g running, l lost its attempt, s the same and leaves it, d done
    #         h: claims since the last token, or -1 after a failed send
    def steps(self, s):
        """Yields (label, next state, violations, tokens computed, is it a fault or somebody's choice)."""
        r, e = self.r, self.e
        F, W, owner, com, left, (arrived, cancel, mid, order, hidden) = s

        def put(w=None, val=None, F=F, owner=owner, com=com, left=left, m=(arrived, cancel, mid, order, hidden)):
            return F, W if w is None else W[:w] + (val,) + W[w + 1:], owner, com, left, m

        def append(g, rec):
            f, bad, took = read(r, F[g], rec)
            m2 = mid
            if mid is not None and g == 0:
                m2, _, _ = read(r, mid, rec)
                bad = bad + ["joiner differs"] * (m2[0] not in ("", f[0])) + ["second run"] * (m2[0] != mid[0] and F[0][2] is not None)
            first = r["begin"] == "first" and rec[0] == "C" and took and rec[1] == 1
            return F[:g] + (f,) + F[g + 1:], bad, took, (arrived, cancel, m2, order + (g,) * first, hidden)

        alive = [w for w in range(e["workers"]) if W[w] != "dead"]
        idle = [w for w in alive if W[w] is None]
        some = [w for w in alive if e["differ"] or w not in idle[1:]]  # idle workers of one arithmetic are all alike
        fresh = (0, com, com, (("-", 0, "", 0),) * e["gens"])
        if owner == -1 or W[owner] == "dead":
            for w in some:
                yield f"group gives the partition to W{w}", put(w, fresh, owner=w), [], 0, False
        for w in some if left else ():
            if len(alive) > 1:
                yield f"kill W{w}", put(w, "dead", left=left - 1), [], 0, True
            if owner not in (-1, w) and W[owner] != "dead":
                yield f"group moves the partition W{owner}->W{w}", put(w, fresh, owner=w, left=left - 1), [], 0, True
        if e["cancel"] and not cancel:
            yield "client cancels g0", put(m=(arrived, True, mid, order, hidden)), [], 0, True
        if e["join"] and mid is None and (F[0] == EMPTY or not r["handle"]):
            yield "a reader joins at the end", put(m=(arrived, cancel, EMPTY, order, hidden)), [], 0, True
        if arrived < len(self.prompts):
            yield "client sends g0 again", put(m=(2, cancel, EMPTY if F[0][2] and not r["handle"] else None, order, hidden)), [], 0, False
        for w in alive:
            if W[w] is None:
                continue
            if owner != w:
                yield f"W{w} notices its loss", put(w, None), [], 0, False
            sight, base, sent, G = W[w]
            if not sight:
                late = e["dup"] and base >= 1 and not r["window"]
                for blind in (False, True) if e["skew"] and r["begin"] == "time" and left else (False,):
                    mask = (1 << e["gens"]) - 1 if blind or late else hidden
                    view = [EMPTY if mask >> g & 1 else f for g, f in enumerate(F)]
                    yield (f"W{w} reads tokens to the end" + " (look-up lands too late)" * blind,
                           put(w, (1 + 2 * mask, base, sent, tuple(DONE if end else ("r", c + 1, d, q) for d, c, end, q, *_ in view)),
                               left=left - blind), [], 0, blind)
                continue
            for g in range(e["gens"]):
                if G[g][0] in "rgl" and g in self.prompts[base:arrived]:
                    yield from self.run(s, w, g, put, append)
            m = base
            while m < arrived and G[self.prompts[m]][0] == "d":
                m += 1
            before = order[:order.index(self.prompts[m])] if m < arrived and self.prompts[m] in order else ()
            hide = sum(1 << g for g in before)  # begin="first": what was claimed before the first uncommitted prompt's first claim
            if (m > sent or hide != hidden) and (owner == w or e["ex_owner"]):
                bad = ["commit before an end"] * any(F[self.prompts[x]][2] is None for x in range(m))
                yield f"W{w} commits {m}", put(w, (sight, base, m, G), com=m, m=(arrived, cancel, mid, order, hide)), bad, 0, False
            elif m > sent:
                yield f"W{w}'s commit is refused", put(w, None), [], 0, False

    def run(self, s, w, g, put, append):
        """The steps of worker w with generation g."""
        r, e = self.r, self.e
        F, W, owner, com, left, (arrived, cancel, mid, order, hidden) = s
        sight, base, sent, G = W[w]
        phase, att, full, h = G[g]
        new = r["reader"] == "new"
        poison, blind = e["poison"] if g == 0 else None, sight >> 1 + g & 1

        def say(kind, took=True):
            return f"W{w} {NAME[kind]}(g{g},a{att}" + (f",k{len(full)})" if kind == "R" else f",'{full}')" if kind in "FXPD" else ")") + " -> ignored" * (not took)

        def to(ph, **k):
            return put(w, (sight, base, sent, G[:g] + (ph,) + G[g + 1:]), **k)

        def die(**k):
            return put(w, None, owner=-1 if owner == w else owner, **k)

        if phase == "l":  # lost its attempt: reads again, and only while its commits still go through
            if owner == w or not r["own_check"]:
                d, c, end, q, *_ = F[g]
                yield f"W{w} reads again g{g}", to(DONE if end else ("r", c + 1, d, q)), [], 0, False
        elif phase == "r" and new:
            if any(x != g and G[x][0] == "g" and (h >= r["alone"] or G[x][3] > r["alone"]) for x in range(e["gens"])):
                return  # after so many deaths a generation runs alone until it has made a token
            if poison == -1 and not r["claim_first"]:
                yield f"W{w} dies tokenizing g{g}", die(), [], 0, False
                return
            f, bad, took, m = append(g, ("C", att, len(full), full))
            bad = bad + ["claims without bound"] * (att > 14)
            if not r["fence"] or blind:
                nxt = ("g", att, full, h + 1)  # does not read its claim back, or reads too little of the log
            elif took:
                nxt = ("g", att, f[g][0], f[g][3])  # the log up to its own claim is final: goes on from what that holds
            else:
                nxt = DONE if f[g][2] else ("l", 0, "", 0)
            if poison == -1 and took and nxt[3] <= e["limit"]:
                yield say("C") + " and dies of the prompt", die(F=f, m=m), bad, 0, False
            else:
                yield say("C", took), to(nxt, F=f, m=m), bad, 0, False
        elif phase == "r" and e["poison"] is not None and att > e["limit"]:
            f, bad, took, m = append(g, ("P", att, 0, full))
            yield say("P"), to(DONE, F=f, m=m), bad + ["innocent poisoned"] * (g > 0), 0, False
        elif phase == "r" and poison == -1:
            yield f"W{w} dies tokenizing g{g}", die(), [], 0, False
        elif phase == "r":
            kind = "S" if att == 1 else "R"
            f, bad, took, m = append(g, (kind, att, len(full), full))
            yield say(kind), to(("g", att, full, 0), F=f, m=m), bad, 0, False
            if e["refuse"] and left and att == 1:
                f, bad, took, m = append(g, ("D", 1, 0, ""))
                yield say("D"), to(DONE, F=f, m=m, left=left - 1), bad, 0, True
        elif phase == "g":
            ends = "F" * (len(full) == e["length"]) + "X" * cancel + "D" * bool(e["refuse"] and left and not full and new)
            if new and e["poison"] is not None and h > e["limit"]:
                ends = "P"
            for size in e["groups"] if len(full) < e["length"] and ends != "P" else ():
                text = full + ("ABC"[w] if e["differ"] else "x") * min(size, e["length"] - len(full))
                if poison is not None and len(full) <= poison < len(text):
                    yield f"W{w} dies computing g{g}[{poison}]", die(), [], 1, False
                    continue
                f, bad, took, m = append(g, ("T", att, len(full), text))
                label, cost = f"W{w} Tokens(g{g},a{att},[{len(full)}]{text[len(full):]})", len(text) - len(full)
                yield label + " -> ignored" * (not took), to(("g", att, text, 0 if took and h >= 0 else h), F=f, m=m), bad, cost, False
                if e["lose"] and left and h >= 0:
                    yield label + " is not sent", to(("g", att, text, -1), left=left - 1), [], cost, True
            if h == -1 and r["stop_on_lost"]:  # what is on its way may still land, but no terminal event
                yield f"W{w} learns of the failed send g{g}", to(("l", 0, "", 0)), [], 0, False
                return
            for k in ends:
                f, bad, took, m = append(g, (k, att, 0, full))
                nxt = ("l" if r["reclaim"] else "s", 0, "", 0) if r["done"] == "log" and f[g][2] is None and not blind else DONE
                yield say(k, took), to(nxt, F=f, m=m, left=left - (k == "D")), bad + ["innocent poisoned"] * (k == "P" and g > 0), 0, k == "D"

    def explore(self, seconds, wanted=None):
        began, root = time.time(), self.start()
        seen, states, parent, succ, found, todo, work = {root: 0}, [root], [(0, "")], [], {}, deque([0]), None

        def trace(n, *last):
            while n:
                n, label = parent[n]
                last = (label, *last)
            return last
        while todo and wanted not in found and (len(succ) % 2000 or time.time() - began < seconds):
            n, edges, quiet = todo.popleft(), [], True
            for label, nxt, bad, cost, chosen in self.steps(states[n]):
                quiet = quiet and chosen
                for b in bad:
                    found.setdefault(b, None)
                    found[b] = found[b] or trace(n, label)
                if not SOFT.issuperset(bad):
                    continue
                m = seen.setdefault(nxt, len(states))
                if m == len(states):
                    states.append(nxt)
                    parent.append((n, label))
                    todo.append(m)
                edges.append((m, cost))
            if quiet and any(f[2] is None for f in states[n][0]) and "lost prompt" not in found:
                found["lost prompt"] = trace(n)
            succ.append(edges)
        if not todo:
            work = longest(succ)
            if work is None:
                found["goes round without a fault"] = ("(a cycle)",)
        return found, len(states), sum(map(len, succ)), time.time() - began, bool(todo) and wanted not in found, work


def longest(succ):
    """The most tokens computed on any path; None if the steps can go round in a circle."""
    best, mark, stack = [0] * len(succ), bytearray(len(succ)), [(0, 0)]
    while stack:
        n, at = stack.pop()
        mark[n] = 1
        if at < len(succ[n]):
            stack.append((n, at + 1))
            m = succ[n][at][0]
            if mark[m] == 1:
                return None
            if mark[m] == 0:
                stack.append((m, 0))
        else:
            best[n] = max((best[m] + c for m, c in succ[n]), default=0)
            mark[n] = 2
    return best[0]


BIG = dict(workers=3, faults=2)
SCENES = {"zombie": BIG, "numerics": dict(BIG, differ=True), "groups": dict(BIG, groups=(1, 2)), "two": dict(gens=2, faults=2),
          "two-numerics": dict(gens=2, differ=True), "ex-owner": dict(BIG, ex_owner=True), "cancel": dict(BIG, cancel=True),
          "dup": dict(BIG, dup=True), "join": dict(BIG, join=True), "skew": dict(BIG, skew=True, differ=True), "lose": dict(BIG, lose=True),
          "refuse": dict(BIG, refuse=True), "poison-early": dict(faults=1, poison=-1), "poison": dict(faults=1, poison=1),
          "poison-two": dict(gens=2, faults=1, poison=1), "order": dict(gens=2, length=2, differ=True),
          "mixed": dict(faults=2, differ=True, groups=(1, 2), cancel=True, lose=True, ex_owner=True, refuse=True)}
RUNS = {f"{n}-{k}": (rules, v) for n, rules in (("old", OLD), ("stale", dict(OLD, reader="stale")), ("now", NOW), ("new", NEW))
        for k, v in SCENES.items() if k != "order" or n in ("now", "new")}
RUNS |= {f"without-{k}": (dict(NEW, **{k: v}), SCENES[scene]) for k, v, scene in (
    ("fence", False, "numerics"), ("done", "ack", "ex-owner"), ("begin", "time", "skew"), ("own_check", False, "zombie"), ("reclaim", False, "zombie"),
    ("stop_on_lost", False, "lose"), ("claim_first", False, "poison-early"), ("alone", 9, "poison-two"), ("silent", False, "poison-two"),
    ("window", False, "dup"), ("handle", False, "join"))}


if __name__ == "__main__":
    for name in RUNS if sys.argv[1:2] == ["all"] else sys.argv[1].split(",") if sys.argv[1:] else ():
        found, states, steps, took, cut, work = Model(RUNS[name][0], **RUNS[name][1]).explore(
            float(sys.argv[2] if sys.argv[2:] else 90), *sys.argv[3:4])
        print(f"== {name}: {states} states, {steps} steps, {took:.0f} s{', CUT OFF' * cut}; most tokens computed {work}; "
              + ("VIOLATIONS: " + ", ".join(found) if found else "no violation"), flush=True)
        for kind, path in found.items() if sys.argv[1] != "all" else ():
            print(f"  {kind}:", *path, sep="\n    ")
    if not sys.argv[1:]:
        print(*RUNS, sep="\n")
