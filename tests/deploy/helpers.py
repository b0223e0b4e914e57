"""Helpers of the tests of what is deployed: free ports, commands of the processes, Dagster's pages asked over HTTP."""

import json
import socket
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
LAUNCH = """mutation($run: ExecutionParams!) { launchPipelineExecution(executionParams: $run) {
    __typename ... on LaunchRunSuccess { run { runId } } } }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"

NODES = "{ assetNodes { assetKey { path } } }"
BACKFILL = """mutation($backfill: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $backfill) {
    __typename ... on LaunchBackfillSuccess { backfillId } } }"""
BACKFILLED = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
    status assetBackfillData { assetBackfillStatuses { ... on AssetPartitionsStatusCounts {
    assetKey { path } numPartitionsMaterialized numPartitionsFailed } } } } } }"""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_answered(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def ask(address: str, query: str, **variables: object) -> dict[str, Any]:
    """The answer to a GraphQL query."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{address}/graphql", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)["data"]


def launch(address: str, assets: Sequence[str], city: str, patience_s: float) -> tuple[str, str]:
    """Start a run as the page does and wait until it is over; its id and its last status."""
    run = {
        "selector": {
            "repositoryLocationName": "mrlf",
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": [name]} for name in assets],
        },
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": city}]},
    }
    run_id = ask(address, LAUNCH, run=run)["launchPipelineExecution"]["run"]["runId"]
    deadline = time.monotonic() + patience_s
    while (status := ask(address, STATUS, id=run_id)["runOrError"]["status"]) not in ("SUCCESS", "FAILURE"):
        assert time.monotonic() < deadline, status
        time.sleep(0.5)
    return run_id, status


def backfill(address: str, cities: Sequence[str], patience_s: float) -> dict[str, tuple[int, int]]:
    """Build all but the study for these cities as the page does; how many were built and how many not, by asset."""
    keys = [node["assetKey"] for node in ask(address, NODES)["assetNodes"]]
    selected = [key for key in keys if not key["path"][0].startswith("study")]
    asked = {"assetSelection": selected, "partitionNames": list(cities)}
    backfill_id = ask(address, BACKFILL, backfill=asked)["launchPartitionBackfill"]["backfillId"]
    deadline = time.monotonic() + patience_s
    while (found := ask(address, BACKFILLED, id=backfill_id)["partitionBackfillOrError"])["status"] == "REQUESTED":
        assert time.monotonic() < deadline, found
        time.sleep(1)
    return {
        each["assetKey"]["path"][0]: (each["numPartitionsMaterialized"], each["numPartitionsFailed"])
        for each in found["assetBackfillData"]["assetBackfillStatuses"]
    }
