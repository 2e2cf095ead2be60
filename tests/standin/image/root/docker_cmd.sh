#!/bin/bash
# Entry of the OMS stand-in: config init, then supervisord in the foreground.
# boot.py is PID 1 from here on: it refuses, registers, starts supervisord and watches.
exec python3 /root/standin/boot.py
