"""The ways out: each channel takes one message, or says why not.

base.py           what a channel is, and its one exception
post.py           one POST: redirects refused, one deadline for all of it
webhook.py        a signed POST
apprise.py        one service of those that apprise knows (the only module that imports it)
alertmanager.py   Prometheus Alertmanager's API v2
make.py           from settings to channels
"""
