"""Moto's server with its accounts, the CBOR that CloudWatch's clients speak, three answers of its S3 and three of its ECS brought
in line with AWS and LocalStack.

* CloudWatch takes requests in CBOR (Smithy RPC v2); Moto takes the same in JSON alone.
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
import io
import json
import re
import sys

import cbor2
import xmltodict
from moto.ec2 import ec2_backends
from moto.ecs import models
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.s3 import responses
from moto.s3.models import FakeMultipart
from moto.server import main


def cbor_as_json(application, environ, start_response):
    asked = re.fullmatch(r"/service/(\w+)/operation/(\w+)", environ.get("PATH_INFO", ""))
    if not asked or "cbor" not in environ.get("CONTENT_TYPE", ""):
        return account_of_the_key(application, environ, start_response)
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    text = json.dumps(cbor2.loads(body) if body else {}, default=lambda when: when.timestamp()).encode()
    environ.update(
        {
            "PATH_INFO": "/",
            "CONTENT_TYPE": "application/x-amz-json-1.0",
            "CONTENT_LENGTH": str(len(text)),
            "HTTP_ACCEPT": "application/json",
            "HTTP_X_AMZ_TARGET": ".".join(asked.groups()),
            "wsgi.input": io.BytesIO(text),
        }
    )
    status = []
    said = b"".join(account_of_the_key(application, environ, lambda code, *rest: status.append(code)))
    answer = cbor2.dumps(in_cbor(json.loads(said or b"{}")))
    told = [("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor"), ("content-length", str(len(answer)))]
    start_response(status[-1], told)
    return [answer]


def in_cbor(value, name=""):
    """JSON has neither points in time nor a difference between what is null and what is not there."""
    if isinstance(value, dict):
        return {key: in_cbor(inner, key) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [in_cbor(inner) for inner in value]
    if name.endswith("Timestamp"):
        seconds = value if isinstance(value, (int, float)) else datetime.datetime.fromisoformat(value).timestamp()
        return cbor2.CBORTag(1, float(seconds))
    return value


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
DomainDispatcherApplication.__call__ = cbor_as_json
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
