"""What every test of this folder does around its own fault: three replicas, clients that write all
along, and at the end everything acknowledged on every replica, once, under one root."""

import cluster
import history


class Load:
    """As a context: within it `cell` runs and is written to; after it `acknowledged` and `records`
    say how much was checked. The history is kept in `<name>.history.jsonl` beside `work`."""

    def __init__(self, binary, work, name, *flags, clients=None, **options):
        self.cell = cluster.Cluster(binary, work, *flags, **options)
        self.path = work.parent / f"{name}.history.jsonl"
        self.counts = {} if clients is None else {"count": clients}

    def __enter__(self):
        self.cell.__enter__()
        try:
            self.cell.start()
            history.make_accounts(self.cell)
            self.log = history.History()
            self.clients = history.Clients(self.cell, self.log, **self.counts)
        except BaseException:
            self.cell.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self.clients.stop()
                cluster.dump(self.path, self.log.rows)
                self.cell.wait_even()
                self.acknowledged = history.check_all_there(self.cell, self.log)
                self.cell.stop()
                self.records = self.cell.verify()
        finally:
            self.cell.__exit__(kind, error, trace)

    def summary(self):
        return (f"{self.acknowledged} acknowledged, 0 lost, 0 twice; {self.records} records with one "
                f"root on {len(self.cell.nodes)} replicas")
