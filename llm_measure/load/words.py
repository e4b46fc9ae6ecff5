"""Words that nearly every tokenizer encodes as one token each after a space."""

TEXT = """
about above after again against air all almost along also always am among an and animal another answer any
appear are area arm around art as ask at away back bad ball bank base be beautiful bed been before began begin
behind being best better between big bird black blue board boat body book both box boy bring brother brown
build building built business but buy by call came can car care carry case cat catch cause center certain
change check child children church city class clean clear close cold color come common company complete
contain control cook cool copy corn correct cost could count country course cover cross cry current cut dance
dark day dead deal dear death decide deep degree design did die different difficult dinner direct do doctor
does dog done door double doubt down draw dream dress drink drive drop dry during each ear early earth east
easy eat edge effect egg eight either else end energy engine enough enter equal even evening ever every
example experience eye face fact fair fall family famous far farm fast father favor fear feed feel feet
few field fight figure fill final find fine finger finish fire first fish fit five flat floor flow
flower fly follow food foot for force foreign forest form forward found four free fresh friend from front
fruit full game garden gas gave general get girl give glad glass go gold gone good got govern grand grass
gray great green ground group grow guess had hair half hall hand happen happy hard has hat have he head
hear heart heat heavy held help her here high hill him his history hit hold hole home hope horse hot
hotel hour house how huge human hundred hurry ice idea if in increase inside interest iron is island it job
join just keep kept key kind king knew know lake land language large last late laugh law lay lead learn least
leave led left leg length less let letter level lie life light like line list listen little live local
long look lost lot love low machine made main make man many map mark market matter may me mean meat meet
member men metal method middle might mile milk million mind minute miss modern moment money month moon more
morning most mother mountain mouth move much music must my name nation nature near need never new next
night nine no noise none nor north nose not note nothing notice now number object ocean of off offer office
often oil old on once one only open or order other our out outside over own page pain paint pair paper part
"""
WORDS = TEXT.split()
