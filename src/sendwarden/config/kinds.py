"""What values of settings can be: types whose texts and errors are made in `config.values`."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainValidator, SecretStr

from sendwarden.config import addresses, values
from sendwarden.core.units import Rate

Plain = Annotated[str, BeforeValidator(values.plain)]
SomeText = Annotated[str, BeforeValidator(values.some_text)]
Network = Annotated[object, BeforeValidator(values.network)]
ChannelNetwork = Annotated[object, BeforeValidator(values.channel_network)]
Domain = Annotated[str, BeforeValidator(values.domain)]
Host = Annotated[str, BeforeValidator(values.host)]
HeaderName = Annotated[str, BeforeValidator(values.header_name)]
Recipients = Annotated[str, BeforeValidator(values.recipients)]
DurationS = Annotated[int, BeforeValidator(values.duration)]
PeriodS = Annotated[int, BeforeValidator(values.duration_or_never)]
Listen = Annotated[str, BeforeValidator(addresses.listen)]
ListenMany = Annotated[list[Listen], BeforeValidator(values.one_or_many)]
ListenHttp = Annotated[str, BeforeValidator(addresses.listen_http)]
ListenHttpMany = Annotated[list[ListenHttp], BeforeValidator(values.one_or_many)]
ListenIp = Annotated[str, BeforeValidator(addresses.listen_ip)]
ListenIpMany = Annotated[list[ListenIp], BeforeValidator(values.one_or_many)]
# Shown as stars wherever a value is shown.
Secret = Annotated[SecretStr, BeforeValidator(addresses.secret)]
DirectoryUrl = Annotated[str, BeforeValidator(addresses.directory_url)]
AttributeName = Annotated[str, BeforeValidator(values.attribute_name)]
RedisUrl = Annotated[str, BeforeValidator(addresses.redis_url)]
SmtpServer = Annotated[str, BeforeValidator(addresses.smtp_server)]
Rates = Annotated[
    list[Annotated[Rate, PlainValidator(values.rate)]],
    BeforeValidator(values.rates),
    AfterValidator(values.one_for_each_window),
]
OverLimitText = Annotated[str, BeforeValidator(values.over_limit)]
End = Annotated[float, BeforeValidator(values.end_of)]
MailAddress = Annotated[str, BeforeValidator(values.mail_address)]
WebAddress = Annotated[str, BeforeValidator(values.web_address)]
IncomingRow = Annotated[str, BeforeValidator(values.incoming_row)]
Wait = Annotated[float, BeforeValidator(values.wait)]
Size = Annotated[int, BeforeValidator(values.size)]
Threshold = Annotated[float, BeforeValidator(values.threshold)]
ScannerPlace = Annotated[str, BeforeValidator(addresses.scanner_place)]
OnFinding = Literal["pass", "hold", "discard", "refuse"]
ModeName = Literal["watch", "enforce"]


class SettingsTable(BaseModel):
    """One table of a settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
