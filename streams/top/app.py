"""The terminal view. Draws what the asker answers; every key only changes the view and asks again.

Works with the keyboard alone, at 80 columns, over SSH, without colour (NO_COLOR is textual's own). A terminal too small
for the table gets a sentence instead; a ledger that is away keeps its last figures on the screen, with what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Static

from streams.top.asker import Answer, Asker
from streams.top.columns import Column, calls, groups
from streams.top.figures import By
from streams.top.head import LINES, alarms, head, note, title
from streams.top.look import Look
from streams.top.once import EMPTY
from streams.top.source import Source
from streams.top.view import TITLES, View

LEAST_WIDTH, LEAST_HEIGHT = 60, 14

HELP = """\
Up, Down     choose a line      Enter  go into it: a team's agents,
PgUp, PgDn   a page                    an agent's runs, a run's calls
Home, End    first, last        Esc    back

1 agents   2 teams   3 tiers   4 models   5 runs: the same calls by that

s            sort by the next   +      a longer window
r            reverse            -      a shorter window
/            names that contain 0      all filters off
space        pause              q      quit
i            the dearest open incident: its run's calls

The window is the calls' own time. "now" is the clock or, when the newest
call is more than 5 minutes old, the newest call that is being written;
the top line says which. written/s and "to ledger" (from the broker to
the ledger: median, p99) are by the clock, over the last 10 s.

unpriced: the price book knows no price. Such calls are counted apart,
never as 0. An agent's runs include its sub-agents' calls. Spend is
computed from tokens and the price book.

Any key closes this."""


class Help(ModalScreen[None]):
    """What the keys do and what the figures mean."""

    CSS = """
    Help { align: center middle; }
    Help > VerticalScroll {
        width: 78; max-width: 100%; height: auto; max-height: 100%; border: round $primary; padding: 0 1;
    }
    """

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = "spendstream top"
            yield Static(HELP, markup=False)

    def on_key(self, event: events.Key) -> None:
        if event.key in {"up", "down", "pageup", "pagedown"}:
            return
        event.stop()
        self.dismiss()


class Answered(Message):
    """The asker has something."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__()


class TopApp(App[None]):
    """See the module."""

    ENABLE_COMMAND_PALETTE = False
    CSS = f"""
    Screen {{ layout: vertical; overflow: hidden; }}
    #title, #trail, #head {{ text-wrap: nowrap; text-overflow: clip; }}
    #title, #trail {{ height: 1; }}
    #head {{ height: {LINES}; }}
    #note, #alarms {{ display: none; height: auto; max-height: 4; }}
    DataTable {{ height: 1fr; scrollbar-size-vertical: 1; }}
    #search {{ display: none; border: none; height: 1; padding: 0; }}
    #empty, #small {{ display: none; height: 1fr; padding: 1 2; }}
    .searching #search, .empty #empty, .noted #note, .alarmed #alarms {{ display: block; }}
    .empty DataTable, .empty #head, .empty #trail {{ display: none; }}
    .small #small {{ display: block; padding: 0; }}
    .small #body, .small Footer {{ display: none; }}
    #body {{ height: 1fr; }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q", "quit", "quit"),
        Binding("1", "group('agent_id')", "agents", show=False),
        Binding("2", "group('team_id')", "teams", show=False),
        Binding("3", "group('tier')", "tiers", show=False),
        Binding("4", "group('request_model')", "models", show=False),
        Binding("5", "group('run_id')", "runs", show=False),
        Binding("enter", "into", "into", key_display="⏎"),
        Binding("escape", "back", "back", key_display="esc"),
        Binding("s", "sort", "sort"),
        Binding("r", "reverse", "reverse"),
        Binding("slash", "search", "filter", key_display="/"),
        Binding("plus,equals_sign", "window(1)", "window", key_display="+/-"),
        Binding("minus", "window(-1)", "shorter", show=False),
        Binding("space", "pause", "pause", key_display="space"),
        Binding("i", "incident", "incident", show=False),
        Binding("0", "clear", "no filter", show=False),
        Binding("ctrl+c", "quit", "quit", show=False, priority=True),
    ]

    def __init__(self, source: Source, view: View, interval_s: float, clock_ms: Callable[[], int]) -> None:
        """Asks nothing before it runs. `clock_ms`: epoch ms."""
        super().__init__(ansi_color=False)
        self._source = source
        self.view_ = view
        self._first = view
        self._interval_s = interval_s
        self._back: list[View] = []
        self._asker = Asker(source, clock_ms, self._answered_in_thread)
        self._answer: Answer | None = None
        self._look: Look | None = None
        self._drawn: Look | None = None
        self._paused = False
        self._width = 0
        self._shape: tuple[Column, ...] = ()

    def compose(self) -> ComposeResult:
        """The parts, top to bottom."""
        yield Static(id="small", markup=False)
        with Vertical(id="body"):
            yield Static(id="title", markup=False)
            yield Static(id="note", markup=False)
            yield Static(id="alarms", markup=False)
            yield Static(id="head", markup=False)
            yield Static(id="trail", markup=False)
            table: DataTable[Text] = DataTable(cursor_type="row", zebra_stripes=False, cell_padding=0)
            yield table
            yield Static(EMPTY, id="empty", markup=False)
            yield Input(placeholder="names that contain ... (Enter applies, Esc leaves it)", id="search", compact=True)
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Begin to ask."""
        self.theme = "textual-dark"
        self._asker.start()
        self._ask()
        self.set_interval(self._interval_s, self._tick)
        self.query_one(DataTable).focus()
        self._draw()

    def on_unmount(self) -> None:
        """Ask nothing more."""
        self._asker.stop()

    def on_resize(self, event: events.Resize) -> None:
        """Fit, or say that it does not."""
        width, height = event.size
        self._width = width  # this handler runs before textual's own takes the size in
        small = width < LEAST_WIDTH or height < LEAST_HEIGHT
        base = self.screen_stack[0]  # not `self.screen`: that may be the help
        base.set_class(small, "small")
        if small:
            said = f"spendstream top needs a terminal of {LEAST_WIDTH}x{LEAST_HEIGHT}; this one is {width}x{height}."
            base.query_one("#small", Static).update(said)
        self._draw()

    # --- asking

    def _ask(self) -> None:
        self._asker.ask(self.view_)

    def _tick(self) -> None:
        if not self._paused:
            self._ask()

    def _answered_in_thread(self, answer: Answer) -> None:
        self.post_message(Answered(answer))

    def on_answered(self, message: Answered) -> None:
        """Take an answer in; one for a view that is gone changes nothing."""
        shown = self._look is not None and self._look.view == self.view_
        if self._paused and shown and message.answer.view == self.view_:
            return
        self._answer = message.answer
        if message.answer.look is not None and message.answer.view == self.view_:
            self._look = message.answer.look
        self._draw()

    # --- drawing

    def _draw(self) -> None:
        if not self.screen_stack or self.screen_stack[0].has_class("small"):
            return
        base = self.screen_stack[0]
        if not base.query("#note"):  # an answer that came while the app begins or ends
            return
        width = self._width or self.size.width
        answer, look = self._answer, self._look
        idle = answer is not None and answer.idle
        fault = answer.fault if answer is not None else ""
        said = note(look, fault, idle=idle, paused=self._paused, retry_s=self._interval_s)
        base.set_class(bool(said.plain), "noted")
        base.query_one("#note", Static).update(said)
        base.query_one("#title", Static).update(title(look, self._source.name, width))
        base.query_one("#trail", Static).update(self._trail(width))
        base.set_class(look is not None and look.is_empty, "empty")
        if look is None:
            return
        open_ = alarms(look, width)
        base.set_class(bool(open_), "alarmed")
        base.query_one("#alarms", Static).update(Text("\n").join(open_))
        base.query_one("#head", Static).update(Text("\n").join(head(look, width, idle=idle)))
        self._fill(base.query_one(DataTable), look, width)

    def _trail(self, width: int) -> Text:
        line = Text()
        if self.view_.run is None:
            for number, (by, name) in enumerate(TITLES.items(), 1):
                line.append(f" {number} {name} ", "reverse" if by == self.view_.by else "dim")
        else:
            line.append(" calls, newest first ", "reverse")
        line.append(f"  last {self.view_.window}", "bold")
        for part in self.view_.trail:
            line.append("  > ", "dim").append(part, "bold")
        if self._look is not None and self._look.view != self.view_:
            line.append("  asking ...", "yellow")  # the lines below are still those of the view before
        line.truncate(width, overflow="ellipsis")
        return line

    def _fill(self, table: DataTable[Text], look: Look, width: int) -> None:
        drawn = calls(look, width - 2) if look.view.run is not None else groups(look, width - 2)
        same_view = self._drawn is not None and self._drawn.view == look.view
        keep = self._key(table) if same_view else None
        row, scroll = table.cursor_row, table.scroll_y
        shape = self._titled(drawn.columns)
        if shape != self._shape:
            table.clear(columns=True)
            for column in shape:
                text = column.title.rjust(column.width) if column.right else column.title
                table.add_column(Text(text), width=column.width + 1, key=str(len(table.columns)))
            self._shape = shape
        else:
            table.clear()
        for key, cells in zip(drawn.keys, drawn.rows, strict=True):
            styled = (self._cell(cell, column) for cell, column in zip(cells, drawn.columns, strict=True))
            table.add_row(*styled, key=key)
        self._drawn = look
        if not same_view:
            table.move_cursor(row=0)
        elif keep in drawn.keys:
            table.move_cursor(row=drawn.keys.index(keep) if keep is not None else 0, scroll=False)
            table.scroll_to(y=scroll, animate=False)
        elif drawn.keys:
            table.move_cursor(row=min(row, len(drawn.keys) - 1), scroll=False)

    def _titled(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """The first column that shows the order gets a mark."""
        mark = "▲" if self.view_.ascending else "▼"
        for at, column in enumerate(columns):
            if column.order == self.view_.order and self.view_.run is None:
                return (*columns[:at], replace(column, title=mark + column.title), *columns[at + 1 :])
        return columns

    @staticmethod
    def _cell(text: str, column: Column) -> Text:
        style = ""
        if text == "unpriced" or text.startswith(("error", "timeout", "limited")):
            style = "yellow"
        elif column.title == "share":
            style = "green"
        return Text(text.rjust(column.width) if column.right else text, style)

    def _key(self, table: DataTable[Text]) -> str | None:
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    # --- keys

    def _change(self, view: View) -> None:
        self.view_ = view
        self._ask()
        self._draw()

    def _go(self, view: View) -> None:
        self._back.append(self.view_)
        self._change(view)

    def action_group(self, by: By) -> None:
        """Group the same calls by another column."""
        if by != self.view_.by or self.view_.run is not None:
            self._go(self.view_.grouped(by))

    def action_into(self) -> None:
        """Go into the chosen line."""
        key = self._key(self.query_one(DataTable))
        if key is None or self._drawn is None or self._drawn.view != self.view_:
            return
        inside = self.view_.into(key)
        if inside is not None:
            self._go(inside)

    def action_incident(self) -> None:
        """Go to the run of the dearest open incident, or to its agent."""
        if self._look is None or not self._look.incidents:
            return
        one = self._look.incidents[0]
        agent = View(by="agent_id", window=self.view_.window, order=self.view_.order).into(one.agent_id)
        inside = agent.into(one.run_id) if agent is not None and one.run_id else agent
        if inside is not None:
            self._go(inside)

    def on_data_table_row_selected(self, _: DataTable.RowSelected) -> None:
        """Enter or a click on a line."""
        self.action_into()

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        """A click on a column's title sorts by it."""
        if self._shape and 0 <= event.column_index < len(self._shape):
            order = self._shape[event.column_index].order
            if order is not None:
                again = order == self.view_.order
                self._change(replace(self.view_, order=order, ascending=again and not self.view_.ascending))

    async def action_back(self) -> None:
        """One step back, or out of the filter."""
        if self.screen.has_class("searching"):
            self._leave_search()
        elif self._back:
            self._change(self._back.pop())

    def action_clear(self) -> None:
        """All filters off."""
        self._go(View(by=self.view_.by, window=self.view_.window, order=self.view_.order))

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._change(self.view_.next_order())

    def action_reverse(self) -> None:
        """Smallest first, or greatest."""
        self._change(replace(self.view_, ascending=not self.view_.ascending))

    def action_window(self, steps: int) -> None:
        """A longer or shorter window."""
        self._change(self.view_.longer(steps))

    def action_pause(self) -> None:
        """Hold the figures; keys still work."""
        self._paused = not self._paused
        if not self._paused:
            self._ask()
        self._draw()

    def action_search(self) -> None:
        """Ask for what names contain."""
        if self.view_.run is not None:
            return
        self.screen.add_class("searching")
        box = self.query_one(Input)
        box.value = self.view_.search
        box.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Apply the filter."""
        self._leave_search()
        if event.value.strip() != self.view_.search:
            self._go(replace(self.view_, search=event.value.strip()))

    def _leave_search(self) -> None:
        self.screen.remove_class("searching")
        self.query_one(DataTable).focus()

    def action_help(self) -> None:
        """Keys and meanings."""
        self.push_screen(Help())
