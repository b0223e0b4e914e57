"""A small MLflow tracking server: the REST calls by which a training is logged, kept in memory.

The protocol is that of MLflow's REST API 2.0: experiments/get-by-name, experiments/create, runs/create, runs/get,
runs/update, runs/log-batch; JSON bodies; an unknown name is 404 with error_code RESOURCE_DOES_NOT_EXIST.
"""

import json
from collections.abc import Callable
from typing import Any

from tests.fakes.http_server import Answer, FakeServer, Request

ROOT = "/api/2.0/mlflow/"


class MlflowServer(FakeServer):
    """`experiments` by name; `runs` by id, each with what was logged of it."""

    def __init__(self) -> None:
        super().__init__(self._answer_call)
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}
        self._calls: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "experiments/get-by-name": self._find_experiment,
            "experiments/create": self._create_experiment,
            "runs/create": self._create_run,
            "runs/get": self._get_run,
            "runs/update": self._update_run,
            "runs/log-batch": self._log_batch,
        }

    def metrics(self, run_id: str, name: str) -> list[tuple[int, float]]:
        """Steps and values of a metric."""
        return [(int(m["step"]), m["value"]) for m in self.runs[run_id]["metrics"] if m["key"] == name]

    def _answer_call(self, request: Request) -> Answer:
        call = self._calls.get(request.path.removeprefix(ROOT))
        if call is None:
            return _error(404, "ENDPOINT_NOT_FOUND", request.path)
        return call({**request.query, **(json.loads(request.body) if request.body else {})})

    def _find_experiment(self, asked: dict[str, Any]) -> Answer:
        name = asked["experiment_name"]
        if name not in self.experiments:
            return _error(404, "RESOURCE_DOES_NOT_EXIST", f"no experiment {name}")
        found = {"experiment_id": self.experiments[name], "name": name, "lifecycle_stage": "active"}
        return Answer.json({"experiment": found})

    def _create_experiment(self, asked: dict[str, Any]) -> Answer:
        self.experiments[asked["name"]] = str(len(self.experiments) + 1)
        return Answer.json({"experiment_id": self.experiments[asked["name"]]})

    def _create_run(self, asked: dict[str, Any]) -> Answer:
        run_id = f"{len(self.runs):032x}"
        self.runs[run_id] = {
            "name": asked.get("run_name"),
            "experiment_id": asked["experiment_id"],
            "status": "RUNNING",
            "metrics": [],
            "params": {},
            "tags": asked.get("tags", []),
        }
        return Answer.json({"run": {"info": self._info(run_id), "data": {}}})

    def _get_run(self, asked: dict[str, Any]) -> Answer:
        return Answer.json({"run": {"info": self._info(asked["run_id"]), "data": {}}})

    def _update_run(self, asked: dict[str, Any]) -> Answer:
        self.runs[asked["run_id"]]["status"] = asked["status"]
        return Answer.json({"run_info": self._info(asked["run_id"])})

    def _log_batch(self, asked: dict[str, Any]) -> Answer:
        run = self.runs[asked["run_id"]]
        run["metrics"] += asked.get("metrics", [])
        run["params"] |= {param["key"]: param["value"] for param in asked.get("params", [])}
        return Answer.json({})

    def _info(self, run_id: str) -> dict[str, Any]:
        run = self.runs[run_id]
        return {
            "run_id": run_id,
            "run_uuid": run_id,
            "run_name": run["name"],
            "experiment_id": run["experiment_id"],
            "status": run["status"],
            "start_time": 1,
            "artifact_uri": "",
            "lifecycle_stage": "active",
        }


def _error(status: int, code: str, message: str) -> Answer:
    return Answer.json({"error_code": code, "message": message}, status=status)
