import FuseMount
