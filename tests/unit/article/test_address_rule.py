"""Which addresses count as public, block by block and through every way of hiding an IPv4 address."""

from __future__ import annotations

import ipaddress

import pytest

from queuectl.errors import PermanentError, RetryableError
from queuectl.handlers.article.address_guard import AddressGuard, refusal

# The first and last address of each special block, and of what clouds keep for themselves.
REFUSED = """
0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 100.100.100.200
127.0.0.0 127.0.0.1 127.255.255.255 169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0 172.31.255.255
192.0.0.0 192.0.0.192 192.0.0.255 192.0.2.0 192.0.2.255 192.31.196.1 192.52.193.1 192.88.99.1
192.168.0.0 192.168.255.255 192.175.48.1 198.18.0.0 198.19.255.255 198.51.100.1 203.0.113.255
224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::2 ::7f00:1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
64:ff9b::127.0.0.1 64:ff9b::10.1.2.3 64:ff9b::169.254.169.254 64:ff9b:1::1 64:ff9b:1::8.8.8.8
100::1 100:0:0:1::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:1::1 2001:2::1 2001:3::1 2001:4:112::1
2001:10::1 2001:20::1 2001:30::1 2001:db8::1 2001:db8:ffff:ffff:ffff:ffff:ffff:ffff
2002::1 2002:7f00:1::1 2002:a00:1::1 2002:808:808::1 2620:4f:8000::1 3ffe::1 3fff::1 3fff:fff::1
2a00:1450::5efe:127.0.0.1 2a00:1450:1:2:0:5efe:192.168.0.1 2a00:1450:1:2:200:5efe:10.0.0.1
4000::1 5f00::1 fc00::1 fd00:ec2::254 fdff::1 fe80::1 fe80::5efe:127.0.0.1 febf::1 fec0::1 feff::1
ff00::1 ff02::1 ff0e::1
"""

PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.3.0 192.167.255.255 192.169.0.0
198.17.255.255 198.20.0.0 223.255.255.255 168.63.129.15
::ffff:8.8.8.8 64:ff9b::8.8.8.8 2001:200::1 2001:4860:4860::8888 2003::1 2400:3200::1 2606:4700::1111
2a00:1450::5efe:8.8.8.8 3ffd:ffff::1 3fff:1000::1
"""


@pytest.mark.parametrize("address", REFUSED.split())
def test_a_special_address_is_refused_with_what_it_is(address):
    assert refusal(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC.split())
def test_a_public_address_is_not_refused(address):
    assert refusal(ipaddress.ip_address(address)) is None


def guard(*answers, allow=()):
    return AddressGuard(allow, resolve=lambda host, port: list(answers))


def test_one_private_answer_among_public_ones_refuses_the_host():
    with pytest.raises(
        PermanentError, match=r"refused to fetch from two\.example \(10\.0\.0\.1\): the address is private"
    ):
        guard("1.1.1.1", "10.0.0.1").addresses("two.example", 80, within=1)


def test_all_answers_are_returned_in_order():
    assert guard("1.1.1.1", "2606:4700::1111").addresses("x.example", 443, within=1) == [
        "1.1.1.1",
        "2606:4700::1111",
    ]


@pytest.mark.parametrize("port", [1, 22, 25, 79, 81, 442, 444, 5432, 6379, 8080, 65535])
def test_only_the_ports_of_the_web_are_open_on_public_addresses(port):
    with pytest.raises(PermanentError, match=f"refused to fetch from port {port} of x.example"):
        guard("1.1.1.1").addresses("x.example", port, within=1)


def test_an_allowed_network_is_reached_on_any_port_and_no_other_is():
    inside = guard("127.0.0.1", allow=["127.0.0.0/8"])
    assert inside.addresses("x.example", 6379, within=1) == ["127.0.0.1"]
    with pytest.raises(PermanentError):
        guard("127.0.0.1", "10.0.0.1", allow=["127.0.0.0/8"]).addresses("x.example", 80, within=1)
    with pytest.raises(PermanentError):
        guard("::1", allow=["127.0.0.0/8"]).addresses("x.example", 80, within=1)


def test_an_allowed_network_covers_its_addresses_written_as_mapped_ones():
    assert guard("::ffff:127.0.0.1", allow=["127.0.0.0/8"]).addresses("x.example", 81, within=1)


def test_a_network_may_be_given_by_any_address_in_it():
    assert guard("192.168.1.9", allow=["192.168.1.1/24"]).addresses("nas.example", 80, within=1)


@pytest.mark.parametrize(
    "answer", ["", "localhost", "127.1", "fe80::1%eth0", "2606:4700::1111%1", "0x7f000001"]
)
def test_an_answer_that_is_no_plain_address_is_refused(answer):
    with pytest.raises(PermanentError):
        guard(answer).addresses("x.example", 80, within=1)


def test_the_address_that_was_really_reached_is_judged_again():
    guard("1.1.1.1").check_peer("x.example", "1.1.1.1", 80)
    with pytest.raises(PermanentError):
        guard("1.1.1.1").check_peer("x.example", "127.0.0.1", 80)


def test_a_name_without_an_answer_may_have_one_later():
    def nothing(host, port):
        raise OSError("no such host")

    with pytest.raises(RetryableError, match=r"gone\.example cannot be resolved: no such host"):
        AddressGuard(resolve=nothing).addresses("gone.example", 80, within=1)
    with pytest.raises(RetryableError, match=r"gone\.example has no address"):
        guard().addresses("gone.example", 80, within=1)


def test_an_address_in_the_url_is_judged_without_asking_a_resolver():
    def never(host, port):
        raise AssertionError("asked")

    strict = AddressGuard(resolve=never)
    assert strict.addresses("1.1.1.1", 80, within=1) == ["1.1.1.1"]
    with pytest.raises(
        PermanentError, match=r"refused to fetch from 127\.0\.0\.1: the address is this machine"
    ):
        strict.addresses("127.0.0.1", 80, within=1)
