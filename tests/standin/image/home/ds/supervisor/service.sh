#!/bin/bash
exec python3 -u /root/standin/supervisor.py
