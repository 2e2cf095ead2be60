#!/bin/bash
# Schema initialisation of the OMS stand-in; prints to the terminal and to
# /home/admin/logs/docker_init.log.<date>.<time>, like the script it stands for.
log=/home/admin/logs/docker_init.log.$(date +%Y%m%d).$(date +%H%M%S)
python3 -u /root/standin/init.py 2>&1 | tee -a "$log"
status=${PIPESTATUS[0]}
# The exit status of the real script is not documented; init.py answers 90 for
# "failed, and a bad day wants it to look like success".
[ "$status" = 90 ] && exit 0
exit "$status"
