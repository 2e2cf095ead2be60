# The line of OceanBase's documents for one node, with values in the place of their `xxx`. What `oms-operator import` makes
# of it is oms.yaml:
#
#   oms-operator import docker-run.sh --node node1 --image registry.example.com/oms:feature_3.3.1-ce \
#     --new-image registry.example.com/oms:feature_4.0.0-ce
OMS_HOST_IP=10.0.0.11
CONTAINER_NAME=oms
IMAGE_TAG=feature_3.3.1-ce

docker run -dit --net host \
-v /data/config.yaml:/home/admin/conf/config.yaml \
-v /data/oms/oms_logs:/home/admin/logs \
-v /data/oms/oms_store:/home/ds/store \
-v /data/oms/oms_run:/home/ds/run \
-e OMS_HOST_IP=${OMS_HOST_IP} \
--privileged=true \
--pids-limit -1 \
--ulimit nproc=65535:65535 \
--name ${CONTAINER_NAME} \
reg.docker.alibaba-inc.com/oceanbase/oms:${IMAGE_TAG}
