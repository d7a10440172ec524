"""A broker of Kafka's protocol for tests, and what others say to it: a request a line, an answer a line, both JSON.

The first argument says which broker: `mock` is that of librdkafka, which has all of the protocol that a consumer speaks and
lets tests do what a broker does by itself (forget messages, remove topics); `HOST:PORT` is one that runs already. The
second, where there is one, is what stands before it: `{"certificate": FILE}` speaks TLS, `{"user": …, "password": …}` asks
for both by SASL.
"""
import base64, ctypes, glob, hashlib, hmac, json, os, socket, ssl, struct, sys, threading

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

# What all clients are told.
SETTINGS = {"log_level": 0}


class Mock:
    """The broker inside of librdkafka."""

    def __init__(self):
        folder = os.path.dirname(os.path.dirname(confluent_kafka.__file__))
        bundled = glob.glob(os.path.join(folder, "confluent_kafka.libs", "librdkafka*"))
        bundled += glob.glob(os.path.join(folder, "confluent_kafka", ".dylibs", "librdkafka*"))
        self.library = ctypes.CDLL(bundled[0])
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_mock_cluster_new"):
            getattr(self.library, name).restype = ctypes.c_void_p
        self.library.rd_kafka_mock_cluster_bootstraps.restype = ctypes.c_char_p
        why = ctypes.create_string_buffer(512)
        settings = ctypes.c_void_p(self.library.rd_kafka_conf_new())
        client = ctypes.c_void_p(self.library.rd_kafka_new(0, settings, why, 512))
        self.cluster = ctypes.c_void_p(self.library.rd_kafka_mock_cluster_new(client, 1))
        self.library.rd_kafka_mock_group_initial_rebalance_delay_ms(self.cluster, ctypes.c_int32(200))
        # It takes what asks for groups in the compact form that came later, and then reads it as in the one before.
        for key, newest in {9: 5, 11: 5, 12: 3, 13: 3, 14: 3}.items():
            self.call("rd_kafka_mock_set_apiversion", ctypes.c_int16(key), ctypes.c_int16(0), ctypes.c_int16(newest))
        self.place = self.library.rd_kafka_mock_cluster_bootstraps(self.cluster).decode()

    def call(self, name, *arguments):
        failed = getattr(self.library, name)(self.cluster, *arguments)
        assert failed == 0, f"{name}: {failed}"

    def make(self, topic, partitions):
        self.call("rd_kafka_mock_topic_create", topic.encode(), partitions, 1)

    def drop(self, topic):
        self.call("rd_kafka_mock_topic_delete", topic.encode())

    def forget(self, topic, partition, before):
        self.call("rd_kafka_mock_partition_delete_records", topic.encode(), partition, ctypes.c_int64(before))

    def advertise(self, host, port):
        self.call("rd_kafka_mock_broker_set_host_port", 1, host.encode(), port)


class Running:
    """A broker that runs already."""

    def __init__(self, place):
        self.place = place

    def make(self, topic, partitions):
        administrator = AdminClient({"bootstrap.servers": self.place, **SETTINGS})
        administrator.create_topics([NewTopic(topic, partitions, 1)])[topic].result(10)


def read(stream, length):
    data = b""
    while len(data) < length:
        more = stream.recv(length - len(data))
        if not more:
            raise OSError("gone")
        data += more
    return data


def frame(stream):
    return read(stream, struct.unpack(">i", read(stream, 4))[0])


class Door:
    """What stands before a broker. It tells others what the broker can in the form that Kafka has (librdkafka's broker has one
    of its own for those who ask for more than it knows), and may speak TLS, or ask for a user by SASL: PLAIN (RFC 4616) and
    SCRAM (RFC 5802)."""

    def __init__(self, place, certificate=None, user=None, password=None):
        self.place, self.user, self.password = place, user, password
        self.tls = certificate and ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if certificate:
            self.tls.load_cert_chain(certificate)

    def let_in(self, client):
        """The connection, and the first request that is for the broker."""
        if self.tls:
            client = self.tls.wrap_socket(client, server_side=True)
        is_known = self.user is None
        while True:
            request = frame(client)
            key, version, number, name = struct.unpack(">hhih", request[:10])
            body = request[10 + max(name, 0):]
            if key == 18:
                self.answer(client, number, self.abilities(version))
            elif key == 17:
                self.log_in(client, number, body[2:].decode())
                is_known = True
            else:
                assert is_known, "somebody did not log in"
                return client, struct.pack(">i", len(request)) + request

    def log_in(self, client, number, mechanism):
        self.answer(client, number, struct.pack(">hih", 0, 1, len(mechanism)) + mechanism.encode())
        steps = self.plain() if mechanism == "PLAIN" else self.scram(mechanism[6:].replace("-", "").lower())
        next(steps)
        while True:
            request = frame(client)
            _, _, number, name = struct.unpack(">hhih", request[:10])
            told, is_done = steps.send(request[10 + max(name, 0) + 4:])
            refused = told is None
            error = struct.pack(">h", 58) + struct.pack(">h", 7) + b"refused" if refused else struct.pack(">hh", 0, -1)
            self.answer(client, number, error + struct.pack(">i", len(told or b"")) + (told or b"") + struct.pack(">q", 0))
            if refused:
                raise OSError("refused")
            if is_done:
                return

    def abilities(self, version):
        """What the broker can, and SASL; in the oldest form, which those who ask for another are told to ask for."""
        if version > 0:
            return struct.pack(">hihhh", 35, 1, 18, 0, 0)
        host, port = self.place.split(":")
        with socket.create_connection((host, int(port))) as broker:
            broker.sendall(struct.pack(">ihhih", 10, 18, 0, 1, 0))
            body = frame(broker)[4:]
        number = struct.unpack(">i", body[2:6])[0]
        return body[:2] + struct.pack(">i", number + 2) + body[6:] + struct.pack(">hhhhhh", 17, 0, 1, 36, 0, 1)

    def answer(self, client, number, body):
        client.sendall(struct.pack(">ii", len(body) + 4, number) + body)

    def plain(self):
        said = yield
        is_known = said.split(b"\0")[1:] == [self.user.encode(), self.password.encode()]
        yield (b"" if is_known else None), True

    def scram(self, digest):
        mac = lambda key, text: hmac.new(key, text, digest).digest()
        first = (yield).decode().split(",", 2)[2]
        fields = dict(field.split("=", 1) for field in first.split(","))
        salt = b"salt of the test"
        challenge = f"r={fields['r']}more,s={base64.b64encode(salt).decode()},i=4096"
        last = (yield challenge.encode(), False).decode()
        without_proof, proof = last.rsplit(",p=", 1)
        talk = f"{first},{challenge},{without_proof}".encode()
        salted = hashlib.pbkdf2_hmac(digest, self.password.encode(), salt, 4096)
        stored = hashlib.new(digest, mac(salted, b"Client Key")).digest()
        shown = bytes(one ^ other for one, other in zip(base64.b64decode(proof), mac(stored, talk)))
        is_known = fields["n"] == self.user and hashlib.new(digest, shown).digest() == stored
        yield (b"v=" + base64.b64encode(mac(mac(salted, b"Server Key"), talk)) if is_known else None), True


def guard(door):
    """A port that hands on to the broker what those say whom the door lets in."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def serve(client):
        try:
            client, first = door.let_in(client)
        except (OSError, AssertionError):
            client.close()
            return
        host, port = door.place.split(":")
        server = socket.create_connection((host, int(port)))
        server.sendall(first)
        threading.Thread(target=pump, args=(client, server), daemon=True).start()
        threading.Thread(target=pump, args=(server, client), daemon=True).start()

    def accept():
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


class Member(threading.Thread):
    """Another member of a group, which commits each message that it takes."""

    def __init__(self, place, group, topics):
        super().__init__(daemon=True)
        settings = {"bootstrap.servers": place, "group.id": group, "enable.auto.commit": False,
                    "auto.offset.reset": "earliest", "session.timeout.ms": 6000, **SETTINGS}
        self.consumer = Consumer(settings)
        self.consumer.subscribe(topics)
        self.leaving, self.has_some, self.taken = threading.Event(), threading.Event(), []

    def run(self):
        while not self.leaving.is_set():
            message = self.consumer.poll(0.05)
            if self.consumer.assignment():
                self.has_some.set()
            if message is not None and not message.error():
                # At once: partitions may be shared out anew whenever it asks for the next. What it may not commit is another's.
                try:
                    self.consumer.commit(message, asynchronous=False)
                except confluent_kafka.KafkaException:
                    continue
                self.taken.append(message.value().decode())
        self.consumer.close()


class Broker:
    def __init__(self, broker):
        self.broker, self.place, self.producers, self.members = broker, broker.place, {}, {}

    def topic(self, name, partitions):
        self.broker.make(name, partitions)

    def drop(self, name):
        self.broker.drop(name)

    def forget(self, name, partition, before):
        self.broker.forget(name, partition, before)

    def produce(self, topic, messages, codec="none"):
        """Each message: partition, key, value (text, or base64 as `bytes`), headers, milliseconds; stored on return."""
        if codec not in self.producers:
            settings = {"bootstrap.servers": self.place, "compression.type": codec, "linger.ms": 5, **SETTINGS}
            self.producers[codec] = Producer(settings)
        producer, failed = self.producers[codec], []
        told = lambda error, _message: failed.append(str(error)) if error else None
        for message in messages:
            value = message.get("value")
            if "bytes" in message:
                value = base64.b64decode(message["bytes"])
            about = {name: message[name] for name in ("key", "partition", "timestamp") if name in message}
            headers = [(name, value) for name, value in message.get("headers", [])]
            while True:
                try:
                    producer.produce(topic, value=value, headers=headers, on_delivery=told, **about)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(30) == 0 and not failed, failed[:1]

    def committed(self, group, topic, partitions):
        consumer = Consumer({"bootstrap.servers": self.place, "group.id": group, **SETTINGS})
        found = consumer.committed([TopicPartition(topic, partition) for partition in range(partitions)], 10)
        consumer.close()
        return [place.offset for place in found]

    def read(self, topic):
        """All messages of a topic: key, value, headers."""
        consumer = Consumer({"bootstrap.servers": self.place, "group.id": "reads-all", "enable.auto.commit": False, **SETTINGS})
        partitions = consumer.list_topics(topic, 10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
        found = []
        while (message := consumer.poll(1.0)) is not None:
            text = lambda value: None if value is None else value.decode()
            headers = {name: text(value) for name, value in message.headers() or []}
            found.append({"key": text(message.key()), "value": text(message.value()), "headers": headers})
        consumer.close()
        return found

    def join(self, group, topics):
        member = self.members[group] = Member(self.place, group, topics)
        member.start()

    def has_partitions(self, group):
        return self.members[group].has_some.wait(30)

    def leave(self, group):
        member = self.members.pop(group)
        member.leaving.set()
        member.join()
        return member.taken


def main():
    broker = Mock() if sys.argv[1] == "mock" else Running(sys.argv[1])
    asked = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    if sys.argv[1] == "mock":
        port = guard(Door(broker.place, **asked))
        broker.advertise("localhost", port)
        broker.place = f"localhost:{port}"
    if "certificate" in asked:
        SETTINGS.update({"security.protocol": "ssl", "enable.ssl.certificate.verification": False})
    if "user" in asked:
        SETTINGS.update({"security.protocol": "sasl_plaintext", "sasl.mechanism": "SCRAM-SHA-512",
                         "sasl.username": asked["user"], "sasl.password": asked["password"]})
    speaker = Broker(broker)
    print(json.dumps(broker.place), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"answer": getattr(speaker, request.pop("ask"))(**request)}
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)
    os._exit(0)


main()
