"""The door `insula job …`: what the operator runs as Kubernetes Jobs in a tenant's namespace."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from insula.jobs.outcome import telling_the_end

app = typer.Typer(no_args_is_help=True, help="Run one job of a tenant (in the cluster).")


@app.command()
def pull(
    models: Annotated[list[str], typer.Argument(help="Models to bring, such as gemma3:270m.")],
    registry: Annotated[str, typer.Option(help="The registry's URL.")],
    store: Annotated[Path, typer.Option(help="Where Ollama keeps its models.")],
) -> None:
    """Bring models from a registry into Ollama's store, from where the last attempt stopped."""
    from insula.jobs import pulling  # noqa: PLC0415  # each job pays for its own imports alone

    with telling_the_end() as outcome:
        outcome.result = {"models": asyncio.run(pulling.pull(registry, store, models, _print_line))}


@app.command()
def converse(
    home_assistant: Annotated[str, typer.Option(help="Home Assistant's URL.")],
    ollama: Annotated[str, typer.Option(help="The URL under which Home Assistant is to reach Ollama.")],
    model: Annotated[str, typer.Option(help="The model to talk to.")],
    context_tokens: Annotated[int, typer.Option(help="How many tokens of a conversation the model sees.")] = 2048,
    secrets: Annotated[
        Path, typer.Option(help="Where the platform's account and the gateway's key are mounted.")
    ] = Path("/secrets"),
) -> None:
    """Set up Ollama's integration in Home Assistant, and make its agent the one that the assistant uses."""
    from insula.jobs import conversing  # noqa: PLC0415  # each job pays for its own imports alone

    with telling_the_end() as outcome:
        agent = asyncio.run(conversing.converse(home_assistant, ollama, model, context_tokens, secrets))
        outcome.result = {"agent": agent}


@app.command()
def probe(
    position: Annotated[str, typer.Option(help="Whose place in the network this pod has.")],
    allowed: Annotated[list[str] | None, typer.Option(help="A path that must be open, as NAME=TARGET.")] = None,
    refused: Annotated[list[str] | None, typer.Option(help="A path that must be shut, as NAME=TARGET.")] = None,
) -> None:
    """Try paths that must be shut, and a few that must be open; say what was seen. A red probe is no failure."""
    from insula.jobs import probing  # noqa: PLC0415  # each job pays for its own imports alone

    with telling_the_end() as outcome:
        given = probing.read(position, allowed or (), refused or ())
        seen = probing.try_all(given)
        for each, word in zip(given, seen, strict=True):
            _print_line(json.dumps({"probe": each.name, "target": each.target, "seen": word}))
        outcome.result = probing.message(given, seen)


def _print_line(text: str) -> None:
    print(text, flush=True)
