"""Moto's server with its accounts, three answers of its S3 and three of its ECS brought in line with AWS and LocalStack.

* An access key of twelve digits names the account that is meant, as in LocalStack; Moto itself looks for a header.
* CreateBucket takes tags in its configuration, so that nothing can come between bucket and tags; Moto drops them.
* An object uploaded in parts with `x-amz-checksum-type: FULL_OBJECT` has the checksum of the whole; Moto gives the
  checksum of the parts' checksums and does not mark it as such, so that every reader takes the object for damaged.
* ListMultipartUploads tells when an upload was begun; Moto says 2010 of every one.
* DescribeTasks gives a container's `cpu` and `memory` as strings (API reference, data type `Container`); Moto gives
  numbers, which the AWS SDK for Rust rightly refuses to read.
* RunTask takes a Fargate task whose memory is declared for the task alone; Moto insists on the container's.
* The network interface of a task run with `assignPublicIp: ENABLED` has a public address; Moto gives none.
"""

import base64
import binascii
import datetime
import re
import sys

import xmltodict
from moto.ec2 import ec2_backends
from moto.ecs import models
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.s3 import responses
from moto.s3.models import FakeMultipart
from moto.server import main


def account_of_the_key(application, environ, start_response):
    key = re.search(r"Credential=(\d{12})/", environ.get("HTTP_AUTHORIZATION", ""))
    if key:
        environ.setdefault("HTTP_X_MOTO_ACCOUNT_ID", key[1])
    return dispatch(application, environ, start_response)


def tags_at_creation(response, request, bucket, query):
    answer = put_bucket(response, request, bucket, query)
    if not query and isinstance(answer, str) and response.body:
        wish = xmltodict.parse(response.body, force_list=("Tag",)).get("CreateBucketConfiguration") or {}
        tags = {tag["Key"]: tag["Value"] or "" for tag in (wish.get("Tags") or {}).get("Tag", [])}
        if tags:
            response.backend.put_bucket_tagging(bucket, tags)
    return answer


def checksum_of_the_whole(upload, parts):
    whole, tag, checksum = complete(upload, parts)
    if checksum and upload.metadata.get("x-amz-checksum-algorithm") == "CRC32":
        checksum = base64.b64encode(binascii.crc32(whole).to_bytes(4, "big")).decode()
    return whole, tag, checksum


def begun_now(upload, *given, **named):
    make_upload(upload, *given, **named)
    upload.begun = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def strings_for_numbers(container, task_definition):
    make_container(container, task_definition)
    container.cpu = None if container.cpu is None else str(container.cpu)
    container.memory = None if container.memory is None else str(container.memory)


def memory_of_the_task(task_definition):
    bare = [
        container
        for container in task_definition.container_definitions
        if not {"memory", "Memory", "memoryReservation", "MemoryReservation"} & container.keys()
    ]
    for container in bare:
        container["memoryReservation"] = 0
    try:
        return resources_of(task_definition)
    finally:
        for container in bare:
            del container["memoryReservation"]


def public_address(task, *given, **named):
    make_task(task, *given, **named)
    network = (getattr(task, "network_configuration", None) or {}).get("awsvpcConfiguration", {})
    if network.get("assignPublicIp") != "ENABLED":
        return
    backend = ec2_backends[task._account_id][task.region_name]
    for detail in (detail for attachment in task.attachments for detail in attachment["details"]):
        if detail["name"] == "networkInterfaceId":
            interface = backend.get_network_interface(detail["value"])
            interface.public_ip_auto_assign = True
            interface.check_auto_public_ip()


dispatch = DomainDispatcherApplication.__call__
DomainDispatcherApplication.__call__ = account_of_the_key
put_bucket = responses.S3Response._bucket_response_put
responses.S3Response._bucket_response_put = tags_at_creation
make_upload = FakeMultipart.__init__
FakeMultipart.__init__ = begun_now
responses.S3_ALL_MULTIPARTS = responses.S3_ALL_MULTIPARTS.replace("2010-11-10T20:48:33.000Z", "{{ upload.begun }}")
complete = FakeMultipart.complete
FakeMultipart.complete = checksum_of_the_whole
make_task = models.Task.__init__
models.Task.__init__ = public_address
make_container = models.Container.__init__
models.Container.__init__ = strings_for_numbers
resources_of = models.EC2ContainerServiceBackend._calculate_task_resource_requirements
models.EC2ContainerServiceBackend._calculate_task_resource_requirements = staticmethod(memory_of_the_task)

if __name__ == "__main__":
    main(sys.argv[1:])
