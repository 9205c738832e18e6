/** Numbers of linux/netfilter/nfnetlink_conntrack.h and nf_conntrack_common.h that more than one file needs. */
import { messageType, NFNL_SUBSYS_CTNETLINK } from '../nfnetlink/header.ts';

export const IPCTNL_MSG_CT_NEW = messageType(NFNL_SUBSYS_CTNETLINK, 0);
export const IPCTNL_MSG_CT_GET = messageType(NFNL_SUBSYS_CTNETLINK, 1);
export const IPCTNL_MSG_CT_DELETE = messageType(NFNL_SUBSYS_CTNETLINK, 2);
export const IPCTNL_MSG_CT_GET_STATS_CPU = messageType(NFNL_SUBSYS_CTNETLINK, 4);
export const IPCTNL_MSG_CT_GET_STATS = messageType(NFNL_SUBSYS_CTNETLINK, 5);

export const NFNLGRP_CONNTRACK_NEW = 1;
export const NFNLGRP_CONNTRACK_UPDATE = 2;
export const NFNLGRP_CONNTRACK_DESTROY = 3;

export const CTA_TUPLE_ORIG = 1;
export const CTA_TUPLE_REPLY = 2;
export const CTA_STATUS = 3;
export const CTA_PROTOINFO = 4;
export const CTA_HELP = 5;
export const CTA_TIMEOUT = 7;
export const CTA_MARK = 8;
export const CTA_COUNTERS_ORIG = 9;
export const CTA_COUNTERS_REPLY = 10;
export const CTA_USE = 11;
export const CTA_ID = 12;
export const CTA_TUPLE_MASTER = 14;
export const CTA_ZONE = 18;
export const CTA_TIMESTAMP = 20;
export const CTA_MARK_MASK = 21;
export const CTA_LABELS = 22;
export const CTA_FILTER = 25;
export const CTA_STATUS_MASK = 26;

/** expected by a helper of another flow, its `master` */
export const IPS_EXPECTED = 1 << 0;
export const IPS_SEEN_REPLY = 1 << 1;
/** not dropped early when the table is full */
export const IPS_ASSURED = 1 << 2;
export const IPS_CONFIRMED = 1 << 3;
export const IPS_SRC_NAT = 1 << 4;
export const IPS_DST_NAT = 1 << 5;
export const IPS_DYING = 1 << 9;
