"""The application of Celery's worker: a task does the work of its number."""

import os

import celery
import served

app = celery.Celery("served_celery", broker=os.environ["SERVED_BROKER"], backend=os.environ["SERVED_BROKER"])
app.conf.update(
    broker_connection_retry_on_startup=False,
    worker_max_tasks_per_child=int(os.environ["SERVED_TASKS_PER_CHILD"]),
    worker_hijack_root_logger=False,
    worker_prefetch_multiplier=4,
)


@app.task(name="work")
def work(seed):
    return served.work(seed)
