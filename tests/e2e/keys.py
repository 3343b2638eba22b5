"""What opens the keys of a node: a passphrase from a file, or from a systemd credential."""

import meridian
from meridian import check


def credentials(binary, work):
    """The same data opens by the file and by the credential, and by nothing else."""
    data, handed = work / "ledger", work / "credentials"
    handed.mkdir()
    (handed / "ledger").write_text("a passphrase of ours\n")
    (handed / "other").write_text("another passphrase\n")
    systemd = {"CREDENTIALS_DIRECTORY": str(handed)}
    by_name = ("--passphrase-credential", "ledger")
    with meridian.Server(binary, data, keys=by_name, environment=systemd) as server:
        server.run("account", "create", "--id", 1, "--ledger", 978, "--code", 1)
        server.run("log", "checkpoint")
        server.stop()
    check(not (data / "dev-passphrase").exists(), "no passphrase may lie beside the keys")
    meridian.run(binary, "verify", "--data", data, "--passphrase-file", handed / "ledger")
    meridian.run(binary, "verify", "--data", data, *by_name, environment=systemd)
    meridian.run(binary, "recovery", "inspect", "--data", data, *by_name, environment=systemd)
    backup = ("backup", "create", "--data", data, "--to", work / "backup", "--keys", work / "keys")
    meridian.run(binary, *backup, *by_name, "--backup-passphrase-credential", "other",
                 environment=systemd)
    meridian.run(binary, "backup", "verify", "--from", work / "backup", "--keys", work / "keys",
                 "--backup-passphrase-file", handed / "other")
    # Refused: another one, none, and two.
    meridian.run(binary, "verify", "--data", data, "--passphrase-credential", "other", expect=1,
                 environment=systemd)
    meridian.run(binary, "verify", "--data", data, *by_name, expect=1)
    meridian.run(binary, "verify", "--data", data, expect=1, environment=systemd)
    meridian.run(binary, "verify", "--data", data, *by_name, "--passphrase-file", handed / "ledger",
                 expect=2, environment=systemd)
    meridian.run(binary, *backup, *by_name, expect=1, environment=systemd)
    # Without a name the usual one is looked for.
    (handed / "meridian-passphrase").write_text("a passphrase of ours")
    meridian.run(binary, "verify", "--data", data, environment=systemd)


def test(binary, work):
    credentials(binary, work)


meridian.main(test)
