#!/bin/bash
exec python3 -u /root/standin/cm.py
