require ["ereject","variables"];
# Need to extract IP address from Received Header
# Require UWC6.3p4 and above to add the Forward-For: header
if (header :matches "Received" "*(Forwarded-For: *)*") {
set "IP_ADDR" "${2}";
# Need to extract header from address
if (header :matches "From" "*<*>*") {
set "FROM_ADDR" "${2}";
# Perform FILTER_GREYLIST mapping callout
set "RESULT" greylist("${IP_ADDR}|${FROM_ADDR}|uwc");
# Block if greylist check returns a value -- indicating that they are a 'bad' sender
if (not string :is "${RESULT}" "")
{ # *NOTE* erejec is used instead of erejec(t) to workaround bug
#6704720
erejec "Delivery failed. Please wait 10 seconds and try sending again...";
}
}
}
