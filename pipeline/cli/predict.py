"""The commands of `mrlf` that use a trained model: `predict`, `serve` and `export`."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli.arguments import CityArgument
from pipeline.cli.errors import plain_errors

Device = Literal["auto", "cpu", "cuda"]
MAX_PICTURE_BYTES = 64 * 1024**2
SERVE_EXTRA = "the server's packages are not installed: pip install 'mrlf-pipeline[serve]'"


def predict(
    city: CityArgument,
    image: Annotated[Path | None, typer.Option(help="A picture: JPEG, PNG or WebP.")] = None,
    caption: Annotated[str | None, typer.Option(help="The caption, with its hashtags.")] = None,
    top: Annotated[int, typer.Option(min=1, max=50, help="How many places to list.")] = 5,
    coarse: Annotated[bool, typer.Option("--coarse", help="Only kinds of places: no names, no coordinates.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    device: Annotated[Device, typer.Option(help="The device to compute on.")] = "auto",
) -> None:
    """Predict where in a city a post was made.

    It takes a picture, a caption or both, and the model trained last. The picture is decoded in memory; nothing is
    stored or sent. It must not be used to find people.

    Examples:

        mrlf predict demo --image photo.jpg --caption "quiet evening at the museum #art"

        mrlf predict demo --caption "fresh bread" --top 3

        mrlf predict demo --image photo.jpg --coarse --json
    """
    with plain_errors():
        from pipeline.cli.predict_text import answer_lines
        from pipeline.predict.loading import load_predictor
        from pipeline.predict.predictor import PredictOptions
        from pipeline.store import Store

        picture = _read_picture(image) if image is not None else None
        predictor = load_predictor(Store.open(), city, device=device)
        question = predictor.read(picture, caption)
        [answer] = predictor.answer([question], [PredictOptions(top=top, coarse=coarse, why=not coarse)])
        typer.echo(answer.model_dump_json(indent=1) if as_json else "\n".join(answer_lines(answer)))


def serve(
    city: CityArgument,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    coarse: Annotated[
        bool, typer.Option("--coarse", help="Answer every request with kinds of places only, whatever it asks for.")
    ] = False,
    device: Annotated[Device, typer.Option(help="The device to compute on.")] = "auto",
) -> None:
    """Serve the model trained last: a page and an API.

    The page takes a photo; the API has /predict, /models and /health. Requests live in memory: no picture, caption or
    answer is stored or logged. The server has no passwords and no encryption, so it listens on this machine only
    unless you name another --host, and web pages of other sites that are open in a browser here cannot send it
    requests.

    Examples:

        mrlf serve demo

        mrlf serve demo --port 9000 --coarse

        curl -F image=@photo.jpg -F caption="by the river #sunset" http://127.0.0.1:8000/predict
    """
    with plain_errors():
        try:
            from pipeline.serve.app import create_app
            from pipeline.serve.limits import Limits
            from pipeline.serve.run import LOCAL_HOSTS, listen, make_server
        except ModuleNotFoundError as error:
            raise ValueError(f"{SERVE_EXTRA} ({error.name} is missing)") from error
        from pipeline.predict.loading import load_predictor
        from pipeline.store import Store

        if host and host not in LOCAL_HOSTS:
            typer.echo(
                f"warning: everyone who can reach {host}:{port} can use it: there is no password and no encryption. "
                "Put a proxy in front that has both, and consider --coarse",
                err=True,
            )
        limits = Limits()
        hosts = LOCAL_HOSTS if host in LOCAL_HOSTS else None
        with listen(host, port) as listening, suppress(KeyboardInterrupt):
            predictor = load_predictor(Store.open(), city, device=device)
            app = create_app(predictor, limits=limits, coarse=coarse, hosts=hosts)
            name = f"[{host}]" if ":" in host else host
            typer.echo(f"serving {city} on http://{name}:{listening.getsockname()[1]} (Ctrl-C stops it)", err=True)
            make_server(app, limits).run(sockets=[listening])


def export(
    city: CityArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="A new folder.")],
    export_format: Annotated[
        Literal["onnx", "safetensors"],
        typer.Option("--format", help="onnx runs without torch and without this project."),
    ] = "onnx",
) -> None:
    """Export the model trained last for use elsewhere.

    Its labels and preprocessing go along.

    Examples:

        mrlf export demo --format onnx -o demo-onnx

        mrlf export demo --format safetensors -o demo-model
    """
    with plain_errors():
        from pipeline.predict.export import export_model
        from pipeline.store import Store

        for name, num_bytes in export_model(Store.open(), city, output, export_format).items():
            typer.echo(f"{output / name}  {num_bytes:,} bytes")


def _read_picture(path: Path) -> bytes:
    """The file's bytes, of a video or a device given by mistake at most the size limit."""
    if not path.exists():
        raise ValueError(f"there is no picture {path}: name a file as --image")
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name one picture as --image")
    with path.open("rb") as file:
        picture = file.read(MAX_PICTURE_BYTES + 1)
    if len(picture) > MAX_PICTURE_BYTES:
        raise ValueError(f"{path} has more than {MAX_PICTURE_BYTES // 1024**2} MiB: give a picture, or a smaller copy")
    return picture
