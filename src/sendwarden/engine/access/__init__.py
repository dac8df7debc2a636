"""The access ladder of Messaging Server: tables that are asked at each step of an SMTP session.

`tables` says which table is asked when, `probes` builds what it is asked, `effects` reads what it answers.
Pure: `service.access` runs the tables and makes decisions of the effects.

Source: AG63-bgaup, -bgaun, -gekyh, -bganw; reference wiki, access_orcpt and access_counts.
"""
