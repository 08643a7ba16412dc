"""The command line: subcommands are imported when called; errors become a message, a hint and an exit code."""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
import traceback
from importlib import import_module
from typing import cast

import click

from cvl import contract
from cvl.errors import CvlError, Interrupted, JobError
from cvl.params import suggest

BUG = 70

COMMANDS = {
    "list": "Show the catalogue",
    "info": "Show one example: presets, parameters, rules",
    "run": "Run a preset of an example, and judge it",
    "verify": "Check examples without running them",
    "check": "Judge a finished run or any training log",
    "report": "Write a run's report: a page, or Markdown",
    "runs": "List, compare and annotate runs",
    "calibrate": "Measure the bounds of a preset's rules",
    "evidence": "Record that an example trained, and see what is stale",
    "render": "Write build.sh and train.sh from the plan",
}


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        return cast(click.Command, import_module(f"cvl.commands.{cmd_name}").command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            near = suggest(args[0], COMMANDS)
            words = f"there is no command {args[0]!r}" + (f", did you mean {near}?" if near else "")
            raise click.UsageError(words, ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(contract.VERSION, prog_name="cvl")
def group() -> None:
    """Training examples for computer vision that run the same everywhere, and prove that they trained.

    \b
    cvl list                              what there is
    cvl run yolo-ui-detection smoke       a short run on a CPU, with a verdict
    cvl run yolo-ui-detection train -- --batch-size 2
    """


def main() -> None:
    """Entry point: every way to end has its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no ✓ shows a ?
    try:
        code = group.main(prog_name="cvl", standalone_mode=False)
    except CvlError as error:
        _print_error(error.message, error.hint)
        code = error.exit_code
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except click.ClickException as error:
        _print_click(error)
        code = error.exit_code
    except (KeyboardInterrupt, click.Abort):
        _print_error("interrupted")
        code = Interrupted.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except OSError as error:  # a full disk, a folder without permission
        _print_error(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        code = JobError.exit_code
    except Exception:
        code = _bug()
    sys.exit(code if isinstance(code, int) else 0)


def _print_error(message: str, hint: str = "") -> None:
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)


def _print_click(error: click.ClickException) -> None:
    """click's own errors in the words and form of ours."""
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # its message is the help page
        error.show()
        return
    near = getattr(error, "possibilities", None)
    message = (error.message if near else error.format_message()).removesuffix(".")
    message = message[:1].lower() + message[1:] + (f", did you mean {' or '.join(near)}?" if near else "")
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    _print_error(message, f"`{ctx.command_path if ctx else 'cvl'} --help` shows the usage")


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _bug() -> int:
    """The traceback goes to a file: it is for us, not for the user."""
    file, name = tempfile.mkstemp(prefix="cvl-crash-", suffix=".txt")
    with os.fdopen(file, "w", encoding="utf-8") as out:
        out.write(f"cvl {contract.VERSION}, Python {sys.version}\n{sys.argv}\n\n{traceback.format_exc()}")
    last = traceback.format_exception_only(*sys.exc_info()[:2])[-1].strip()
    _print_error(f"a bug in cvl: {last}", f"please report it with {name}")
    return BUG
