"""Who belongs to whom: runs, root agents and sub-agents, known in any order and kept within bounds.

A call's run is its `run_id`, else all calls of its root agent. A sub-agent may come before its parent, and a parent
may name its own parent late: what was known of it then moves under the new root. Rings of parents are left alone.
When a bound is reached, the tenth that was quiet longest (by event time) is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streams.detect.call import Seen
from streams.detect.config import DetectConfig
from streams.detect.habit import Root, Run
from streams.detect.packed import unpack

Birth = Callable[[Seen, int], None]


@dataclass(frozen=True, slots=True)
class Asleep:
    """A root agent as its part of a checkpoint (`streams.detect.parts.root_part`), and what it is found by."""

    last_ms: int
    names: tuple[str, ...]
    runs: tuple[str, ...]
    part: bytes


class Families:
    """All runs and root agents. `on_birth` is told of each new root agent (call, cost)."""

    def __init__(self, config: DetectConfig) -> None:
        self.config = config
        self.roots: dict[str, Root] = {}
        self.runs: dict[str, Run] = {}  # by run id
        self.lone: dict[str, Run] = {}  # by agent id, where calls carry no run id
        self.touched: set[str] = set()
        """Root agents that changed since whoever keeps their state (a checkpoint) took it and emptied this."""
        self.asleep: dict[str, Asleep] = {}
        self._sleeping_runs: dict[str, str] = {}
        self._sleeping_names: dict[str, str] = {}
        self._forgotten = -(2**62)

    # -- those that sleep

    def put_to_sleep(self, asleep: Mapping[str, Asleep]) -> None:
        """Take root agents over as they are packed. None of them may have an open incident."""
        self.asleep = dict(asleep)
        self._sleeping_runs = {run: key for key, one in asleep.items() for run in one.runs}
        self._sleeping_names = {name: key for key, one in asleep.items() for name in one.names}

    def root(self, key: str) -> Root | None:
        """A root agent, woken if it sleeps."""
        self._wake(key)
        return self.roots.get(key)

    def adopt(self, root: Root, lone: Run | None) -> None:
        """Take a root agent over with all that is its own."""
        self.roots[root.key] = root
        self.runs.update(root.runs)
        if lone is not None:
            for name in (lone.owner, *(lone.members or ())):
                self.lone[name] = lone

    def _wake(self, key: str | None) -> None:
        found = self.asleep.pop(key, None) if key is not None else None
        if found is None:
            return
        root, lone, _ = unpack(found.part)
        for run_id in [id_ for id_, run in root.runs.items() if run.last_ms < self._forgotten and run.incident is None]:
            del root.runs[run_id]
        self.adopt(root, lone)
        self._unlist(found)

    def _unlist(self, one: Asleep) -> None:
        for run in one.runs:
            self._sleeping_runs.pop(run, None)
        for name in one.names:
            self._sleeping_names.pop(name, None)

    def _find(self, call: Seen) -> Run | None:
        """The run of a call, if one that sleeps knows it; whoever else the call names is woken, too."""
        self._wake(self._sleeping_runs.get(call.run_id or ""))
        for name in (call.agent_id, call.parent_agent_id):
            if name is not None:
                self._wake(self._sleeping_names.get(name))
                self._wake(name)
        return self.runs.get(call.run_id) if call.run_id is not None else self.lone.get(call.agent_id)

    # -- who belongs to whom

    def begin(self, call: Seen, cost: int, on_birth: Birth) -> Run:
        """The run of a call that belongs to none that is known: a new one, or that of its parent."""
        run_id, agent_id, parent = call.run_id, call.agent_id, call.parent_agent_id
        if self.asleep:
            run = self._find(call)
            if run is not None:
                return run
        if run_id is None and parent is not None and parent != agent_id:
            run = self.lone.get(parent)
            if run is None:
                run = self._new_run(parent, None, parent, call, cost, on_birth)
                self.lone[parent] = run
            self.lone[agent_id] = run
            self._bound_runs(self.lone)
            return run
        # the root agent of a run whose first known call is a sub-agent's is the parent it names
        owner = parent if parent is not None and run_id is not None else agent_id
        if run_id is None:
            run = self._new_run(agent_id, None, agent_id, call, cost, on_birth)
            self.lone[agent_id] = run
            self._bound_runs(self.lone)
        else:
            run = self._new_run(run_id, run_id, owner, call, cost, on_birth)
            self.runs[run_id] = run
            self._bound_runs(self.runs)
        return run

    def _new_run(self, key: str, run_id: str | None, owner: str, call: Seen, cost: int, on_birth: Birth) -> Run:
        root = self.roots.get(owner)
        if root is None:
            above = self.lone.get(owner)
            root = above.root if above is not None else None
        if root is None:
            root = self.roots[owner] = Root(owner, call.time)
            on_birth(call, cost)
            self._bound_roots()
        run = Run(key, run_id, root, owner, call.time)
        if run_id is not None:
            root.runs[run_id] = run
        return run

    def rehome(self, run: Run, call: Seen, cost: int, on_birth: Birth) -> Run:
        """What seemed a root names its parent, late: its run belongs to the parent's root."""
        parent = call.parent_agent_id
        assert parent is not None
        if self.asleep:
            self._wake(self._sleeping_names.get(parent))
            self._wake(parent)
        if run.run_id is None:
            above = self.lone.get(parent)
            if above is None:
                above = self.lone[parent] = self._new_run(parent, None, parent, call, cost, on_birth)
            if above is run:
                return run  # a ring of parents; leave it
            for name in (run.owner, *(run.members or ())):
                self.lone[name] = above
            above.kids += run.kids
            above.deepest = max(above.deepest, run.deepest + 1)
            self.touched.add(run.root.key)
            if run.incident is None and run.root.calls <= run.calls:
                self.roots.pop(run.root.key, None)
            return above
        root = self.roots.get(parent)
        if root is None:
            root = self.roots[parent] = Root(parent, call.time)
        self.touched.add(run.root.key)
        run.root.runs.pop(run.key, None)
        if not run.root.runs and run.root.incident is None and run.root.calls <= run.calls:
            self.roots.pop(run.root.key, None)
        run.root, run.owner = root, parent
        run.deepest += 1
        root.runs[run.key] = run
        return run

    def forget(self, before: int) -> None:
        """Forget runs that are idle since `before` and have no incident; those that sleep, when they wake."""
        self._forgotten = max(self._forgotten, before)
        gone = [key for key, run in self.runs.items() if run.last_ms < before and run.incident is None]
        for key in gone:
            run = self.runs.pop(key)
            run.root.runs.pop(key, None)

    def _bound_runs(self, runs: dict[str, Run]) -> None:
        if len(runs) > self.config.max_runs:
            oldest = sorted(runs.items(), key=lambda item: (item[1].last_ms, item[0]))
            for key, run in oldest[: self.config.max_runs // 10]:
                del runs[key]
                run.root.runs.pop(key, None)
                self.touched.add(run.root.key)

    def _bound_roots(self) -> None:
        if len(self.roots) + len(self.asleep) > self.config.max_roots:
            everybody = [(root.last_ms, key) for key, root in self.roots.items()]
            everybody += [(one.last_ms, key) for key, one in self.asleep.items()]
            for _, key in sorted(everybody)[: self.config.max_roots // 10]:
                sleeping = self.asleep.pop(key, None)
                if sleeping is not None:
                    self._unlist(sleeping)
                    continue
                root = self.roots.pop(key)
                self.lone.pop(key, None)
                for run_id in root.runs:
                    self.runs.pop(run_id, None)
