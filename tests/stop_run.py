"""Starts a command, waits until a file has more than so many lines, or standard error a text, and sends
signals. Prints the exit code, negative for a death by signal; standard error goes to the file err.

usage: stop_run.py SIGNAL[,SIGNAL] FILE:LINES|err:TEXT COMMAND..."""
import signal
import subprocess
import sys
import time

signals = [getattr(signal, name) for name in sys.argv[1].split(",")]
where, what = sys.argv[2].split(":", 1)


def reached():
    try:
        with open(where, "rb") as file:
            text = file.read()
    except OSError:
        return False
    return what.encode() in text if where == "err" else text.count(b"\n") > int(what)


def default_signals():  # a shell's background jobs ignore SIGINT
    signal.signal(signal.SIGINT, signal.SIG_DFL)


with open("out", "wb") as out, open("err", "wb") as err:
    process = subprocess.Popen(sys.argv[3:], stdout=out, stderr=err, preexec_fn=default_signals)
    while process.poll() is None and not reached():
        time.sleep(0.001)
    if len(signals) > 1:
        time.sleep(0.05)  # into a round, which a first signal would end at once between two
    for number in signals:
        process.send_signal(number)
        while len(signals) > 1 and process.poll() is None and b"a second signal" not in open("err", "rb").read():
            time.sleep(0.001)
    print(process.wait())
