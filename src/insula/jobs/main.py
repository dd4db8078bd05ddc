"""The door `insula job …`: what the operator runs as Kubernetes Jobs in a tenant's namespace."""

import asyncio
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


def _print_line(text: str) -> None:
    print(text, flush=True)
