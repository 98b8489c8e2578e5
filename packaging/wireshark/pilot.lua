-- SPDX-License-Identifier: BSD-3-Clause
-- Pilot Protocol: beacon messages, tunnel frames, packets (docs/wire-format.md).
-- Copy to ~/.local/lib/wireshark/plugins/, or: tshark -X lua_script:pilot.lua -r FILE
-- UDP port 9001 by default, see "Decode as"; also pcapng files of `fairway trace --write`.

local pilot = Proto("pilot", "Pilot Protocol")
local field = {}

local types = {
	[1] = "Discover", [2] = "DiscoverReply", [3] = "PunchRequest", [4] = "PunchCommand",
	[5] = "Relay", [6] = "RelayDeliver", [7] = "Sync", [8] = "DiscoverEx",
	[9] = "RelayDeliverDest", [10] = "Notify",
}
local magics = { PILT = "packet in clear", PILS = "sealed packet", PILK = "key exchange",
	PILA = "authenticated key exchange", PILP = "punch" }
local protocols = { [1] = "stream", [2] = "datagram", [3] = "control" }
local flag_names = { { 1, "SYN" }, { 2, "ACK" }, { 4, "FIN" }, { 8, "RST" } }

local function add(name, kind, label, ...)
	field[name] = ProtoField[kind]("pilot." .. name, label, ...)
end
add("type", "uint8", "Type", base.HEX, types)
add("node", "uint32", "Node")
add("sender", "uint32", "Sender")
add("dest", "uint32", "Destination")
add("key", "bytes", "Ed25519 key")
add("nonce", "bytes", "Nonce")
add("signature", "bytes", "Signature")
add("challenge", "bytes", "Challenge")
add("ip", "ipv4", "Address")
add("ip6", "ipv6", "Address")
add("udp_port", "uint16", "UDP port")
add("requester", "uint32", "Requester")
add("target", "uint32", "Target")
add("expiry", "uint64", "Grant expires (Unix seconds)")
add("beacon", "uint32", "Beacon")
add("count", "uint16", "Nodes")
add("kind", "uint8", "Kind", base.DEC, { [1] = "handshakes are waiting" })
add("magic", "string", "Magic")
add("x25519", "bytes", "X25519 key")
add("caps", "uint64", "Capabilities")
add("kexflags", "uint64", "Flags of the exchange")
add("prefix", "uint32", "Nonce prefix", base.HEX)
add("counter", "uint64", "Nonce counter")
add("sealed", "bytes", "Ciphertext and tag")
add("version", "uint8", "Version", base.DEC, nil, 0xf0)
add("flags", "uint8", "Flags", base.HEX, nil, 0x0f)
add("protocol", "uint8", "Protocol", base.DEC, protocols)
add("length", "uint16", "Payload length")
add("src", "string", "Source")
add("dst", "string", "Destination")
add("src_port", "uint16", "Source port")
add("dst_port", "uint16", "Destination port")
add("seq", "uint32", "Sequence number")
add("ack", "uint32", "Acknowledgment number")
add("window", "uint16", "Window (segments)")
add("crc", "uint32", "CRC-32", base.HEX)
add("sack_left", "uint32", "SACK from")
add("sack_right", "uint32", "SACK up to")
add("payload", "bytes", "Payload")
pilot.fields = field

local expert = {
	short = ProtoExpert.new("pilot.short", "Message too short", expert.group.MALFORMED,
		expert.severity.ERROR),
	crc = ProtoExpert.new("pilot.crc.bad", "Wrong CRC-32", expert.group.CHECKSUM,
		expert.severity.ERROR),
}
pilot.experts = expert
pilot.prefs.udp_port = Pref.uint("UDP port", 9001, "Port of the beacon")

local crc_table = {}
for i = 0, 255 do
	local c = i
	for _ = 1, 8 do
		local low = bit32.band(c, 1)
		c = bit32.rshift(c, 1)
		if low == 1 then
			c = bit32.bxor(c, 0xedb88320)
		end
	end
	crc_table[i] = c
end

-- CRC-32 of a packet with its own field, bytes 30 to 33, taken as zero.
local function packet_crc(tvb)
	local crc = 0xffffffff
	local bytes = tvb:bytes()
	for i = 0, bytes:len() - 1 do
		local byte = (i >= 30 and i < 34) and 0 or bytes:get_index(i)
		crc = bit32.bxor(crc_table[bit32.band(bit32.bxor(crc, byte), 0xff)], bit32.rshift(crc, 8))
	end
	return bit32.bnot(crc)
end

local function address(tvb)
	local network, node = tvb(0, 2):uint(), tvb(2, 4):uint()
	return string.format("%d:%04X.%04X.%04X", network, network, math.floor(node / 65536), node % 65536)
end

local function flags_text(flags)
	local set = {}
	for _, f in ipairs(flag_names) do
		if bit32.band(flags, f[1]) ~= 0 then
			set[#set + 1] = f[2]
		end
	end
	return table.concat(set, ",")
end

local function sack(tvb, tree)
	if tvb:len() < 13 or tvb(0, 4):string() ~= "SACK" then
		return false
	end
	local count = tvb(4, 1):uint()
	if count < 1 or count > 4 or tvb:len() < 5 + 8 * count then
		return false
	end
	for i = 0, count - 1 do
		tree:add(field.sack_left, tvb(5 + 8 * i, 4))
		tree:add(field.sack_right, tvb(9 + 8 * i, 4))
	end
	return true
end

-- Returns a text for the info column, or nil when the packet is too short.
local function packet(tvb, tree)
	if tvb:len() < 34 or tvb:len() < 34 + tvb(2, 2):uint() then
		tree:add_proto_expert_info(expert.short)
		return nil
	end
	local length = tvb(2, 2):uint()
	local sub = tree:add(pilot, tvb(0, 34 + length), "Packet")
	sub:add(field.version, tvb(0, 1))
	local flags = bit32.band(tvb(0, 1):uint(), 0x0f)
	sub:add(field.flags, tvb(0, 1)):append_text(" (" .. flags_text(flags) .. ")")
	sub:add(field.protocol, tvb(1, 1))
	sub:add(field.length, tvb(2, 2))
	sub:add(field.src, tvb(4, 6), address(tvb(4, 6)))
	sub:add(field.dst, tvb(10, 6), address(tvb(10, 6)))
	sub:add(field.src_port, tvb(16, 2))
	sub:add(field.dst_port, tvb(18, 2))
	sub:add(field.seq, tvb(20, 4))
	sub:add(field.ack, tvb(24, 4))
	sub:add(field.window, tvb(28, 2))
	local crc = sub:add(field.crc, tvb(30, 4))
	if packet_crc(tvb(0, 34 + length)) ~= tvb(30, 4):uint() then
		crc:add_proto_expert_info(expert.crc)
	end
	if length > 0 then
		local payload = tvb(34, length)
		local is_sack = flags == 2 and sack(payload, sub)
		if not is_sack then
			sub:add(field.payload, payload)
		end
	end
	return string.format("%s %d > %d %s seq %d ack %d len %d", protocols[tvb(1, 1):uint()] or "?",
		tvb(16, 2):uint(), tvb(18, 2):uint(), flags_text(flags), tvb(20, 4):uint(),
		tvb(24, 4):uint(), length)
end

-- Go's uvarint at offset. Returns the number and the offset behind it, or nil.
local function uvarint(tvb, offset)
	local value, shift = UInt64(0), 0
	while offset < tvb:len() and shift < 64 do
		local byte = tvb(offset, 1):uint()
		value = value + UInt64(bit32.band(byte, 0x7f)):lshift(shift)
		offset, shift = offset + 1, shift + 7
		if byte < 0x80 then
			return value, offset
		end
	end
	return nil
end

local function pila(tvb, tree)
	tree:add(field.node, tvb(4, 4))
	tree:add(field.x25519, tvb(8, 32))
	tree:add(field.key, tvb(40, 32))
	tree:add(field.signature, tvb(72, 64))
	local caps, behind = uvarint(tvb, 136)
	if not caps then
		return
	end
	tree:add(field.caps, tvb(136, behind - 136), caps)
	local flags, last = uvarint(tvb, behind)
	if flags then
		tree:add(field.kexflags, tvb(behind, last - behind), flags)
	end
end

local minimum = { PILT = 38, PILK = 40, PILA = 136, PILS = 36, PILP = 4 }

-- Returns a text for the info column, or nil when this is no frame.
local function frame(tvb, tree)
	local magic = tvb:len() >= 4 and tvb(0, 4):string() or ""
	if not magics[magic] then
		return nil
	end
	local sub = tree:add(pilot, tvb(), "Frame")
	sub:add(field.magic, tvb(0, 4)):append_text(" (" .. magics[magic] .. ")")
	if tvb:len() < minimum[magic] then
		sub:add_proto_expert_info(expert.short)
		return magic .. " too short"
	end
	if magic == "PILT" then
		return "PILT " .. (packet(tvb(4):tvb(), sub) or "too short")
	elseif magic == "PILP" then
		return magic
	elseif magic == "PILA" then
		pila(tvb, sub)
	elseif magic == "PILK" then
		sub:add(field.node, tvb(4, 4))
		sub:add(field.x25519, tvb(8, 32))
	else
		sub:add(field.node, tvb(4, 4))
		sub:add(field.prefix, tvb(8, 4))
		sub:add(field.counter, tvb(12, 8))
		sub:add(field.sealed, tvb(20))
	end
	return string.format("%s node %d", magic, tvb(4, 4):uint())
end

-- Address, port and what follows them. Returns the offset behind them, or nil.
local function observed(tvb, tree)
	local size = tvb(1, 1):uint()
	if (size ~= 4 and size ~= 16) or tvb:len() < 4 + size then
		return nil
	end
	tree:add(size == 4 and field.ip or field.ip6, tvb(2, size))
	tree:add(field.udp_port, tvb(2 + size, 2))
	return 4 + size
end

local message = {}

message[1] = function(tvb, tree)
	tree:add(field.node, tvb(1, 4))
	if tvb:len() >= 37 then
		tree:add(field.key, tvb(5, 32))
	end
	if tvb:len() >= 117 then
		tree:add(field.nonce, tvb(37, 16))
		tree:add(field.signature, tvb(53, 64))
	end
	return "node " .. tvb(1, 4):uint()
end
message[8] = message[1]

message[2] = function(tvb, tree)
	local behind = observed(tvb, tree)
	if behind and tvb:len() >= behind + 20 and tvb(behind, 4):string() == "FWC1" then
		tree:add(field.challenge, tvb(behind + 4, 16))
		return "with challenge"
	end
	return behind and "" or nil
end

message[3] = function(tvb, tree)
	tree:add(field.requester, tvb(1, 4))
	tree:add(field.target, tvb(5, 4))
	if tvb:len() >= 81 then
		tree:add(field.expiry, tvb(9, 8))
		tree:add(field.signature, tvb(17, 64))
	end
	return string.format("%d to %d", tvb(1, 4):uint(), tvb(5, 4):uint())
end

message[4] = function(tvb, tree)
	return observed(tvb, tree) and "" or nil
end

local function relay(tvb, tree)
	tree:add(field.sender, tvb(1, 4))
	tree:add(field.dest, tvb(5, 4))
	local inner = tvb:len() > 9 and frame(tvb(9):tvb(), tree) or "opaque"
	return string.format("%d to %d, %s", tvb(1, 4):uint(), tvb(5, 4):uint(), inner)
end
message[5] = relay
message[9] = relay

message[6] = function(tvb, tree)
	tree:add(field.sender, tvb(1, 4))
	local inner = tvb:len() > 5 and frame(tvb(5):tvb(), tree) or "opaque"
	return string.format("from %d, %s", tvb(1, 4):uint(), inner)
end

message[7] = function(tvb, tree)
	local count = tvb(5, 2):uint()
	tree:add(field.beacon, tvb(1, 4))
	tree:add(field.count, tvb(5, 2))
	if tvb:len() < 7 + 4 * count then
		return nil
	end
	for i = 0, math.min(count, 1000) - 1 do
		tree:add(field.node, tvb(7 + 4 * i, 4))
	end
	return count .. " nodes"
end

message[10] = function(tvb, tree)
	tree:add(field.kind, tvb(1, 1))
	return ""
end

local message_minimum = { 5, 8, 9, 8, 9, 5, 7, 5, 9, 2 }

local function is_stun(tvb)
	return tvb:len() >= 20 and tvb(0, 1):uint() < 0x40 and tvb(4, 4):uint() == 0x2112a442
end

function pilot.dissector(tvb, info, root)
	if tvb:len() == 0 then
		return 0
	end
	if is_stun(tvb) then
		return Dissector.get("stun-udp"):call(tvb, info, root)
	end
	local number = tvb(0, 1):uint()
	info.cols.protocol = "Pilot"
	local tree = root:add(pilot, tvb())
	if not types[number] then
		local text = frame(tvb, tree)
		info.cols.info = text or "not Pilot"
		return text and tvb:len() or 0
	end
	tree:add(field.type, tvb(0, 1))
	local text = tvb:len() >= message_minimum[number] and message[number](tvb, tree)
	if not text then
		tree:add_proto_expert_info(expert.short)
	end
	info.cols.info = types[number] .. " " .. (text or "too short or broken")
	return tvb:len()
end

local port = pilot.prefs.udp_port
local ports = DissectorTable.get("udp.port")
function pilot.prefs_changed()
	ports:remove(port, pilot)
	port = pilot.prefs.udp_port
	ports:add(port, pilot)
end
ports:add(port, pilot)
DissectorTable.get("wtap_encap"):add(wtap.USER0, pilot)
