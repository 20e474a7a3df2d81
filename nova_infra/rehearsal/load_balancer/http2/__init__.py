"""HTTP/2 and gRPC, which a load balancer speaks to the targets of groups that say so."""
