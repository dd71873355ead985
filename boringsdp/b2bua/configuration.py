"""From the configuration to the settings of the front."""

from __future__ import annotations

from types import MappingProxyType

from boringsdp.b2bua.settings import B2buaSettings, DomainSettings, Media, Mode, Refer, TrunkAccount
from boringsdp.config_b2bua import DomainConfig
from boringsdp.config_sections import Config
from boringsdp.sip.uri import SipUri, parse_sip_uri


def b2bua_settings(config: Config) -> B2buaSettings | None:
    """Return the settings of the front; None where there is none."""
    front = config.b2bua
    if not front.enabled or not config.domains:
        return None
    return B2buaSettings(
        domains=MappingProxyType({name: domain_settings(name, domain) for name, domain in config.domains.items()}),
        path=front.path,
        origins=front.origins,
        grace_s=front.grace,
        max_call_s=front.max_call,
        ring_s=front.ring,
        headers=front.headers,
        refer=Refer(front.refer),
        follow_redirects=front.redirects,
        routing=front.routing,
        records=front.records,
        challenge_calls=front.challenge_calls,
        bindings_file=front.bindings_file,
        expires_min=front.expires_min,
        expires_max=front.expires_max,
        bindings_per_user=front.bindings_per_user,
        max_bindings=front.max_bindings,
        wrong_passwords=front.wrong_passwords,
    )


def domain_settings(name: str, domain: DomainConfig) -> DomainSettings:
    """Return the settings of one domain; `name` in lower case."""
    return DomainSettings(
        name=name,
        mode=Mode(domain.mode),
        pbx=tuple(parse_sip_uri(text) for text in domain.pbx),
        realm=domain.realm,
        users=domain.users,
        users_url=domain.users_url,
        token_secret=domain.token_secret,
        algorithms=domain.algorithms,
        media=Media(domain.media),
        trunk=_trunk(domain) if domain.mode == Mode.TRUNK.value else None,
        sources=domain.sources,
        trust_identity=domain.trust_identity,
        refer=Refer(domain.refer) if domain.refer else None,
    )


def _trunk(domain: DomainConfig) -> TrunkAccount:
    pbx = parse_sip_uri(domain.pbx[0])
    return TrunkAccount(
        identity=parse_sip_uri(domain.account) if domain.account else SipUri("sip", None, pbx.host, pbx.port),
        username=domain.username,
        password=domain.password,
        register=domain.register,
        caller=domain.caller,
    )
