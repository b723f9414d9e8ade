"""Structured logs on standard error: JSON lines, or text on a terminal, coloured unless NO_COLOR is set."""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog

from streams.colour import coloured

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

_NOISY = ("faust", "mode", "aiokafka", "kafka", "asyncio", "clickhouse_connect", "httpx", "aiohttp.access")
"""Libraries that talk at `info` about things that are no news; their warnings pass, except where said below."""


def configure_logs(
    level: Literal["debug", "info", "warning", "error"] = "info", style: Literal["auto", "json", "console"] = "auto"
) -> None:
    """Send everything (structlog and the standard library's logging) to standard error in one form."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    # Plain tracebacks: the decorated ones print the frames' variables, and so calls and secrets.
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=coloured(sys.stderr), exception_formatter=structlog.dev.plain_traceback)
        if console
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([] if console else [structlog.processors.format_exc_info]),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[level])
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING if level != "debug" else logging.INFO)
